--
-- Hyperparameters: what is accepted, and what is said of the rest.
--
SET client_min_messages = warning;

-- accepted
SELECT commrec.check_hyperparameters('ials', NULL);
SELECT commrec.check_hyperparameters('ials', '{}');
SELECT commrec.check_hyperparameters('ials', '{"factors": 1, "epochs": 1000, "unobserved_weight": 1e-300,
	"regularization": 1e6, "regularization_exponent": 0, "alpha": 40.5, "half_life": "Infinity",
	"popularity_weight": 0, "popularity_half_life": "infinity", "min_item_users": 1,
	"min_user_items": 1000000000, "seed": 2147483647}');
SELECT commrec.check_hyperparameters('ials', '{"factors": 512.0, "half_life": 30, "alpha": null}');

SELECT commrec.check_hyperparameters('ials', '{"solver": "cg"}');
SELECT commrec.check_hyperparameters('ials', '{"solver": "cholesky"}');
SELECT commrec.check_hyperparameters('ials', '{"solver": null}');

-- words
SELECT commrec.check_hyperparameters('ials', '{"solver": "CG"}');
SELECT commrec.check_hyperparameters('ials', '{"solver": ""}');
\set VERBOSITY terse
SELECT commrec.check_hyperparameters('ials', '{"solver": 1}');
SELECT commrec.check_hyperparameters('ials', '{"solver": true}');
SELECT commrec.check_hyperparameters('ials', '{"factors": "cg"}');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE

-- unknown names list what there is
SELECT commrec.check_hyperparameters('ials', '{"fctors": 8}');
SELECT commrec.check_hyperparameters('ials', '{"factors": 8, "": 1}');
\set VERBOSITY terse
SELECT commrec.check_hyperparameters('ials', '{"Factors": 8}');
SELECT commrec.check_hyperparameters('ials', jsonb_build_object(repeat('x', 100), 1));
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE

-- out of range
SELECT commrec.check_hyperparameters('ials', '{"factors": 0}');
SELECT commrec.check_hyperparameters('ials', '{"factors": -1}');
SELECT commrec.check_hyperparameters('ials', '{"factors": 65536}');
SELECT commrec.check_hyperparameters('ials', '{"factors": 8.5}');
SELECT commrec.check_hyperparameters('ials', '{"factors": 1e400}');
SELECT commrec.check_hyperparameters('ials', '{"epochs": 0}');
SELECT commrec.check_hyperparameters('ials', '{"epochs": 1e9}');
SELECT commrec.check_hyperparameters('ials', '{"regularization": -0.1}');
SELECT commrec.check_hyperparameters('ials', '{"regularization": 0}');
SELECT commrec.check_hyperparameters('ials', '{"unobserved_weight": 1e-400}');
SELECT commrec.check_hyperparameters('ials', '{"regularization_exponent": 3}');
SELECT commrec.check_hyperparameters('ials', '{"alpha": 1e7}');
SELECT commrec.check_hyperparameters('ials', '{"half_life": 0}');
SELECT commrec.check_hyperparameters('ials', '{"half_life": 1e400}');
SELECT commrec.check_hyperparameters('ials', '{"popularity_weight": -1}');
SELECT commrec.check_hyperparameters('ials', '{"popularity_half_life": -1}');
SELECT commrec.check_hyperparameters('ials', '{"min_item_users": 0}');
SELECT commrec.check_hyperparameters('ials', '{"min_user_items": 1.5}');
SELECT commrec.check_hyperparameters('ials', '{"seed": -1}');
\echo :LAST_ERROR_SQLSTATE

-- wrong JSON types
SELECT commrec.check_hyperparameters('ials', '{"factors": "8"}');
\set VERBOSITY terse
SELECT commrec.check_hyperparameters('ials', '{"regularization": "NaN"}');
SELECT commrec.check_hyperparameters('ials', '{"regularization": "Infinity"}');
SELECT commrec.check_hyperparameters('ials', '{"half_life": "-Infinity"}');
SELECT commrec.check_hyperparameters('ials', '{"epochs": true}');
SELECT commrec.check_hyperparameters('ials', '{"alpha": [1, 2]}');
SELECT commrec.check_hyperparameters('ials', '{"seed": {"a": 1}}');
SELECT commrec.check_hyperparameters('ials', jsonb_build_object('seed', repeat('x', 100)));
SELECT commrec.check_hyperparameters('ials', '[]');
SELECT commrec.check_hyperparameters('ials', '"factors"');
SELECT commrec.check_hyperparameters('ials', 'null');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT commrec.check_hyperparameters('ials', '8');

-- algorithms
\set VERBOSITY terse
SELECT commrec.check_hyperparameters('svd', '{}');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
SELECT commrec.check_hyperparameters(NULL, '{}');
\echo :LAST_ERROR_SQLSTATE

-- presets, over them the model's, over them the call's; null goes back to the preset
CREATE TABLE hyperparameters_events (user_id integer, item_id integer);
INSERT INTO hyperparameters_events
	SELECT u, i FROM generate_series(1, 20) AS u, generate_series(1, 15) AS i WHERE (u * 7 + i * 3) % 5 < 2;
DO $$
BEGIN
	PERFORM commrec.create_model('hyperparameters_model', 'hyperparameters_events',
		hyperparameters => '{"factors": 4, "epochs": 3, "popularity_weight": 0.5, "half_life": 30}');
END
$$;
SELECT hyperparameters -> 'factors' AS factors, hyperparameters -> 'epochs' AS epochs,
	hyperparameters -> 'popularity_weight' AS popularity_weight,
	hyperparameters -> 'half_life' AS half_life, hyperparameters -> 'alpha' AS alpha, dims
FROM commrec.train('hyperparameters_model', workers => 0);
SELECT hyperparameters -> 'factors' AS factors, hyperparameters -> 'epochs' AS epochs,
	hyperparameters -> 'popularity_weight' AS popularity_weight,
	hyperparameters -> 'half_life' AS half_life, hyperparameters -> 'alpha' AS alpha, dims
FROM commrec.train('hyperparameters_model',
	'{"factors": 6, "popularity_weight": 0, "half_life": null, "alpha": 2}', workers => 0);

-- what was used trains the same model again, also where the data had chosen
SELECT version FROM commrec.train('hyperparameters_model', '{"popularity_weight": null}', workers => 0);
SELECT t.version, t.hyperparameters = v.hyperparameters AS same_hyperparameters,
	t.metrics -> 'loss' = v.metrics -> 'loss' AS same_loss
FROM hyperparameters_model.version AS v,
	commrec.train('hyperparameters_model', v.hyperparameters, workers => 0) AS t
WHERE v.version = 3;

-- an error in the call's hyperparameters leaves everything as it was
\set VERBOSITY terse
SELECT version FROM commrec.train('hyperparameters_model', '{"factors": 0}');
SELECT version FROM commrec.train('hyperparameters_model', '{"depth": 3}');
\set VERBOSITY default
SELECT version, deployed FROM hyperparameters_model.version ORDER BY version;

DROP SCHEMA hyperparameters_model CASCADE;
DROP TABLE hyperparameters_events;
