"""
Makes test/unit/concat_linear_reference.h: what PyTorch makes of the reference model.

    python3 test/unit/concat_linear_reference.py > test/unit/concat_linear_reference.h

Needs PyTorch (Debian: python3-torch); the test does not.  Users have all items
but one, so that it is known which negative is drawn.
"""
import torch

USERS, ITEMS, FACTORS, EPOCHS = 40, 30, 5, 10


class ConcatLinear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.user = torch.nn.Embedding(USERS, FACTORS)
        self.item = torch.nn.Embedding(ITEMS, FACTORS)
        self.linear = torch.nn.Linear(2 * FACTORS, 1)

    def forward(self, user, item):
        return torch.sigmoid(self.linear(torch.cat([self.user(user), self.item(item)], dim=1)))[:, 0]


def missing(user):
    return 7 * user % ITEMS


def array(name, tensor):
    values = [f"{value:.9g}" for value in tensor.detach().reshape(-1).tolist()]
    values = [value if "." in value or "e" in value else value + ".0" for value in values]
    print(f"static const float {name}[] = {{")
    for first in range(0, len(values), 8):
        print("\t" + ", ".join(value + "f" for value in values[first:first + 8]) + ",")
    print("};\n")


def train(start, negatives):
    """The mean loss of each epoch's steps, and that of all positives after it."""
    model = ConcatLinear()
    model.load_state_dict(start)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    criterion = torch.nn.BCELoss()
    positives = [(user, item) for user in range(USERS) for item in range(ITEMS) if item != missing(user)]
    users = torch.tensor([user for user, item in positives])
    items = torch.tensor([item for user, item in positives])
    during, after = [], []
    for _ in range(EPOCHS):
        total, events = 0.0, 0
        for user, item in positives:
            for event in [(user, item, 1.0)] + [(user, missing(user), 0.0)] * negatives:
                optimizer.zero_grad()
                loss = criterion(model(torch.tensor([event[0]]), torch.tensor([event[1]])),
                                 torch.tensor([event[2]]))
                loss.backward()
                optimizer.step()
                total += loss.item()
                events += 1
        during.append(total / events)
        with torch.no_grad():
            after.append(criterion(model(users, items), torch.ones(len(positives))).item())
    return during, after


torch.manual_seed(20261125)
torch.set_num_threads(1)
start = {name: value.clone() for name, value in ConcatLinear().state_dict().items()}
print("/*")
print(" * concat_linear_reference.h")
print(f" *\t\tWhat PyTorch {torch.__version__} makes of the reference model; see concat_linear_reference.py.")
print(" */")
for name, value in (("USERS", USERS), ("ITEMS", ITEMS), ("FACTORS", FACTORS), ("EPOCHS", EPOCHS)):
    print(f"#define REFERENCE_{name}\t{value}")
print()
array("start_users", start["user.weight"])
array("start_items", start["item.weight"])
array("start_weights", start["linear.weight"])
array("start_bias", start["linear.bias"])
print("/* By the number of negatives: mean losses of each epoch's steps, and of all positives after it. */")
for name, which in (("losses_during", 0), ("losses_after", 1)):
    print(f"static const double {name}[2][REFERENCE_EPOCHS] = {{")
    for negatives in range(2):
        print("\t{" + ", ".join(f"{loss:.9g}" for loss in train(start, negatives)[which]) + "},")
    print("};\n" if which == 0 else "};")
