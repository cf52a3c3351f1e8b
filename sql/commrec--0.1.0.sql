-- commrec--0.1.0.sql: the SQL surface of commrec.
--
--	1  embeddings					7  reading what was learned
--	2  finding models, types		8  metrics, evaluation
--	3  serving						9  all users at once
--	4  the dictionary of actions	10 more answers
--	5  models: create, alter, drop	11 views, privileges
--	6  training, versions
--
-- Everything is qualified and every SQL or PL/pgSQL function pins its search_path; nothing
-- runs with its owner's rights.  Functions that read the events get the caller's search_path
-- as their last argument and put it in force for that one query, because functions within a
-- view may need it; that query names everything in full and uses no unqualified operator.

\echo Use "CREATE EXTENSION commrec" to load this file. \quit

-- A schema of this name that somebody has made before would stay his, and with it what callers of
-- its functions get.
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
			   WHERE n.nspname OPERATOR(pg_catalog.=) 'commrec'::pg_catalog.name AND NOT r.rolsuper) THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = 'schema "commrec" belongs to a role that is no superuser',
			HINT = 'Drop it, or make it yours with ALTER SCHEMA commrec OWNER TO CURRENT_USER and see what is in it.';
	END IF;
END
$$;

-- ---------------------------------------------------------------------------
-- 1  Embeddings
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.embedding_to_array(embedding bytea) RETURNS real[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'commrec_embedding_to_array';
COMMENT ON FUNCTION commrec.embedding_to_array(bytea) IS
'The elements of an embedding. NULL for NULL. Cast the result to pgvector''s type "vector" to use its indexes. Damaged bytes: XX001; a newer format: 0A000.';

CREATE FUNCTION commrec.array_to_embedding(elements real[]) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'commrec_array_to_embedding';
COMMENT ON FUNCTION commrec.array_to_embedding(real[]) IS
'An embedding with these elements: 1 to 16000 finite numbers in one dimension. NULL for NULL. Another shape: 22023; too many: 54000; a NULL element: 22004; NaN or infinity: 22003.';

CREATE FUNCTION commrec.inner_product(a bytea, b bytea) RETURNS real
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_inner_product';
COMMENT ON FUNCTION commrec.inner_product(bytea, bytea) IS
'Inner product of two embeddings of one dimension: the score that a model gives a user and an item. NULL if either is NULL. Different dimensions: 22023; damaged bytes: XX001; out of range: 22003.';

CREATE FUNCTION commrec.embedding_dims(embedding bytea) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_embedding_dims';
COMMENT ON FUNCTION commrec.embedding_dims(bytea) IS
'Number of elements of an embedding. NULL for NULL. Damaged bytes: XX001; a newer format: 0A000.';

CREATE FUNCTION commrec.embedding_accum(state bytea, embedding bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_embedding_accum';
COMMENT ON FUNCTION commrec.embedding_accum(bytea, bytea) IS
'Support function of the aggregates over embeddings: adds one; a NULL embedding is left out.';

CREATE FUNCTION commrec.embedding_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_embedding_combine';
COMMENT ON FUNCTION commrec.embedding_combine(bytea, bytea) IS
'Support function of the aggregates over embeddings: adds two states, either of which may be NULL.';

CREATE FUNCTION commrec.embedding_avg_final(state bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_embedding_avg_final';
COMMENT ON FUNCTION commrec.embedding_avg_final(bytea) IS
'Support function of the aggregate commrec.avg(bytea).';

CREATE FUNCTION commrec.embedding_sum_final(state bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_embedding_sum_final';
COMMENT ON FUNCTION commrec.embedding_sum_final(bytea) IS
'Support function of the aggregate commrec.sum(bytea).';

CREATE AGGREGATE commrec.avg(embedding bytea) (
	SFUNC = commrec.embedding_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.embedding_combine,
	FINALFUNC = commrec.embedding_avg_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.avg(bytea) IS
'Mean of embeddings, element by element, as an embedding: the taste of a group, the middle of a set of items. NULLs are left out; NULL if nothing remains. Different dimensions: 22023.';

CREATE AGGREGATE commrec.sum(embedding bytea) (
	SFUNC = commrec.embedding_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.embedding_combine,
	FINALFUNC = commrec.embedding_sum_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.sum(bytea) IS
'Sum of embeddings, element by element, as an embedding. NULLs are left out; NULL if nothing remains. Different dimensions: 22023; out of range: 22003.';

-- ---------------------------------------------------------------------------
-- 2  Finding models; types and buckets
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.model_schema(model text DEFAULT NULL) RETURNS oid
LANGUAGE c STABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_model_schema';
COMMENT ON FUNCTION commrec.model_schema(text) IS
'Oid of the schema that holds a model. NULL: the model of the setting commrec.default_model, or the only one that the caller may use. Unknown: 42704; no USAGE on the schema: 42501; several of that name: 42P09.';

CREATE FUNCTION commrec.require_owner(model text) RETURNS oid
LANGUAGE c STABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'commrec_require_owner';
COMMENT ON FUNCTION commrec.require_owner(text) IS
'Oid of the model''s schema if the caller is the model''s owner or a member of it, else 42501. NULL: 22004.';

CREATE FUNCTION commrec.stored_id_type(type regtype) RETURNS regtype
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'commrec_stored_id_type';
COMMENT ON FUNCTION commrec.stored_id_type(regtype) IS
'The type in which a model stores ids of this type: smallint, integer, bigint, uuid or text (for text and varchar); domains are looked through. NULL if the type cannot be an id.';

CREATE FUNCTION commrec.bucket_start(t timestamptz, bucket interval) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'commrec_bucket_start';
COMMENT ON FUNCTION commrec.bucket_start(timestamptz, interval) IS
'Start of the bucket that holds a time: multiples of the width, counted in UTC from Monday 2001-01-01 00:00. A width with months or years, or of less than a second: 22023; an infinite time: 22008.';

CREATE FUNCTION commrec.check_hyperparameters(algorithm text, hyperparameters jsonb) RETURNS void
LANGUAGE c STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'commrec_check_hyperparameters';
COMMENT ON FUNCTION commrec.check_hyperparameters(text, jsonb) IS
'Does nothing if the hyperparameters are right for the algorithm. An unknown algorithm or hyperparameter, a wrong JSON type or a value out of range: 22023 that lists what is allowed. A JSON null stands for the default.';

CREATE FUNCTION commrec.lock_model(model text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'commrec_lock_model';
COMMENT ON FUNCTION commrec.lock_model(text) IS
'Waits until nobody trains the model, and keeps others from training it until the transaction ends. Only for its owner (42501).';

CREATE FUNCTION commrec.training_locks() RETURNS TABLE (pid integer, schema oid)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 COST 100
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.pid, l.objid
	FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1668246893 AND l.objsubid = 3
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
						  WHERE d.datname = pg_catalog.current_database())
$$;
COMMENT ON FUNCTION commrec.training_locks() IS
'Who holds a training lock in this database: process (NULL: a prepared transaction) and schema of the model.';

-- ---------------------------------------------------------------------------
-- 3  Serving
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.recommend(user_id bigint, k integer DEFAULT 10, model text DEFAULT NULL,
	exclude_seen boolean DEFAULT true, candidates bigint[] DEFAULT NULL, exclude bigint[] DEFAULT NULL,
	filter text DEFAULT NULL, resurface_after interval DEFAULT NULL, diversity double precision DEFAULT 0,
	skip integer DEFAULT 0, fresh boolean DEFAULT NULL)
RETURNS TABLE (rank integer, item_id bigint, score real, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 500
AS 'MODULE_PATHNAME', 'commrec_recommend';

CREATE FUNCTION commrec.recommend(user_id uuid, k integer DEFAULT 10, model text DEFAULT NULL,
	exclude_seen boolean DEFAULT true, candidates uuid[] DEFAULT NULL, exclude uuid[] DEFAULT NULL,
	filter text DEFAULT NULL, resurface_after interval DEFAULT NULL, diversity double precision DEFAULT 0,
	skip integer DEFAULT 0, fresh boolean DEFAULT NULL)
RETURNS TABLE (rank integer, item_id uuid, score real, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 500
AS 'MODULE_PATHNAME', 'commrec_recommend';

CREATE FUNCTION commrec.recommend(user_id text, k integer DEFAULT 10, model text DEFAULT NULL,
	exclude_seen boolean DEFAULT true, candidates text[] DEFAULT NULL, exclude text[] DEFAULT NULL,
	filter text DEFAULT NULL, resurface_after interval DEFAULT NULL, diversity double precision DEFAULT 0,
	skip integer DEFAULT 0, fresh boolean DEFAULT NULL)
RETURNS TABLE (rank integer, item_id text, score real, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 500
AS 'MODULE_PATHNAME', 'commrec_recommend';

COMMENT ON FUNCTION commrec.recommend(bigint, integer, text, boolean, bigint[], bigint[], text, interval, double precision, integer, boolean) IS
'The k best items for a user, by inner product of embeddings, or by what the lists of the user''s items add up to, as the algorithm has it: source "model" for the user''s embedding as trained; "fresh" if events since the training have been folded in; "similar" for a user of whom nothing was learned but who wants an item of which something was: by likeness to the last such item; else rising items ("trending") where the training found that they foretell better, and then by decayed popularity, source "popular". min(k, eligible items) rows, exactly the best ones, ties broken by id. Items already seen are left out unless exclude_seen is false; with resurface_after those last touched longer ago than that come back; disliked ones never do. candidates: only these items; exclude: not these; filter: only items that pass the filter of this name, see commrec.create_filter(); ids that the model does not know are passed over. diversity (0 to 1): how much likeness to what is already listed counts against an item (maximal marginal relevance over the 200 best: Carbonell & Goldstein 1998). skip: rows left out before the first; ranks go on counting, so that the second page is skip => k. fresh: read the user''s events since the training, as the caller, and fold them in; what they are about counts as seen, and new users get answers of their own; NULL: as alter_model() has set it for the model, at first false. Unknown users get popular items; a NULL user no rows; a NULL k is 10, a NULL model the default one, any other NULL as if not given. k below 1, negative skip or resurface_after, diversity outside 0 .. 1: 22023; unknown model or filter: 42704; no USAGE on the model''s schema: 42501; never trained, a filter not yet evaluated for the version, resurface_after without times, or fresh without a time column: 55000; with fresh, no SELECT on the events: 42501; events or a column of them gone: 42P01, 42703; ids of another type: 42804. Objective of the training: Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, 2021.';
COMMENT ON FUNCTION commrec.recommend(uuid, integer, text, boolean, uuid[], uuid[], text, interval, double precision, integer, boolean) IS
'The same as commrec.recommend(bigint, ...), for models whose users and items have uuids.';
COMMENT ON FUNCTION commrec.recommend(text, integer, text, boolean, text[], text[], text, interval, double precision, integer, boolean) IS
'The same as commrec.recommend(bigint, ...), for every model: ids are given and returned as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.recommend_typed(model text, user_id "any", k integer, exclude_seen boolean,
	candidates "any" DEFAULT NULL, exclude "any" DEFAULT NULL, filter text DEFAULT NULL,
	resurface_after interval DEFAULT NULL, diversity double precision DEFAULT 0, skip integer DEFAULT 0,
	fresh boolean DEFAULT NULL)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 500
AS 'MODULE_PATHNAME', 'commrec_recommend_typed';
COMMENT ON FUNCTION commrec.recommend_typed(text, "any", integer, boolean, "any", "any", text, interval, double precision, integer, boolean) IS
'What the function "recommend" of a model''s schema calls: as commrec.recommend(), with arrays of the model''s item type and the caller''s column definition list (rank integer, item_id ..., score real, source text).';

CREATE FUNCTION commrec.similar_items(item_id bigint, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id bigint, similarity real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_similar_items';

CREATE FUNCTION commrec.similar_items(item_id uuid, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id uuid, similarity real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_similar_items';

CREATE FUNCTION commrec.similar_items(item_id text, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id text, similarity real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_similar_items';

COMMENT ON FUNCTION commrec.similar_items(bigint, integer, text) IS
'The k items nearest to an item by cosine of their embeddings (-1 to 1) or, where the algorithm scores by lists, those of the item''s list by their weight; the item itself is left out. No rows for a NULL or unknown item, and none from a model of popularity alone; a NULL k is 10, a NULL model the default one. k below 1: 22023; unknown model: 42704; no USAGE on its schema: 42501; never trained: 55000; ids of another type: 42804.';
COMMENT ON FUNCTION commrec.similar_items(uuid, integer, text) IS
'The same as commrec.similar_items(bigint, integer, text), for models whose items have uuids.';
COMMENT ON FUNCTION commrec.similar_items(text, integer, text) IS
'The same as commrec.similar_items(bigint, integer, text), for every model: ids are given and returned as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.similar_items_typed(model text, item_id "any", k integer)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_similar_items_typed';
COMMENT ON FUNCTION commrec.similar_items_typed(text, "any", integer) IS
'What the function "similar_items" of a model''s schema calls: as commrec.similar_items(), with the caller''s column definition list (rank integer, item_id ..., similarity real).';

CREATE FUNCTION commrec.knowledge_spread(user_id bigint, t timestamptz, model text DEFAULT NULL)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_knowledge_spread';

CREATE FUNCTION commrec.knowledge_spread(user_id uuid, t timestamptz, model text DEFAULT NULL)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_knowledge_spread';

CREATE FUNCTION commrec.knowledge_spread(user_id text, t timestamptz, model text DEFAULT NULL)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_knowledge_spread';

COMMENT ON FUNCTION commrec.knowledge_spread(bigint, timestamptz, text) IS
'K(t,i) = f(t) * sum of w_j over the distinct items j that user i touched in the bucket that holds t; w_j and f(t) are in the model''s tables item_spread and spread_factor. 0 for a known user without events there; NULL for an unknown or NULL user or a NULL time; a NULL model is the default one. Infinite time: 22008; no time column or never trained: 55000; unknown model: 42704; no USAGE on its schema: 42501; ids of another type: 42804.';
COMMENT ON FUNCTION commrec.knowledge_spread(uuid, timestamptz, text) IS
'The same as commrec.knowledge_spread(bigint, timestamptz, text), for models whose users have uuids.';
COMMENT ON FUNCTION commrec.knowledge_spread(text, timestamptz, text) IS
'The same as commrec.knowledge_spread(bigint, timestamptz, text), for every model: the user is given as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.knowledge_spread_typed(model text, user_id "any", t timestamptz)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_knowledge_spread_typed';
COMMENT ON FUNCTION commrec.knowledge_spread_typed(text, "any", timestamptz) IS
'What the function "knowledge_spread" of a model''s schema calls: as commrec.knowledge_spread().';

CREATE FUNCTION commrec.satisfaction(user_id bigint, model text DEFAULT NULL)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_satisfaction';

CREATE FUNCTION commrec.satisfaction(user_id uuid, model text DEFAULT NULL)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_satisfaction';

CREATE FUNCTION commrec.satisfaction(user_id text, model text DEFAULT NULL)
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_satisfaction';

COMMENT ON FUNCTION commrec.satisfaction(bigint, text) IS
'S_i: the sum over buckets of s(t,i), the mean (0 to 1) of the satisfaction signals of user i in bucket t. NULL for a NULL or unknown user and for one without any signal; a NULL model is the default one. Never trained: 55000; unknown model: 42704; no USAGE on its schema: 42501; ids of another type: 42804. commrec.satisfaction_detail() gives the series.';
COMMENT ON FUNCTION commrec.satisfaction(uuid, text) IS
'The same as commrec.satisfaction(bigint, text), for models whose users have uuids.';
COMMENT ON FUNCTION commrec.satisfaction(text, text) IS
'The same as commrec.satisfaction(bigint, text), for every model: the user is given as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.satisfaction_typed(model text, user_id "any")
RETURNS double precision
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_satisfaction_typed';
COMMENT ON FUNCTION commrec.satisfaction_typed(text, "any") IS
'What the function "satisfaction" of a model''s schema calls: as commrec.satisfaction().';

-- ---------------------------------------------------------------------------
-- 4  The dictionary of actions
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.default_action()
RETURNS TABLE (action text, preference double precision, spread double precision,
	satisfaction double precision, uses_value boolean)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 50 COST 10
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES
		-- looking
		('view', 1::double precision, 0::double precision, NULL::double precision, false),
		('read', 1, 0, NULL, false),
		('watch', 1, 0, NULL, false),
		('click', 1, 0, NULL, false),
		-- liking
		('like', 2, 0.2, 0.8, false),
		('upvote', 2, 0.2, 0.8, false),
		('vote', 2, 0.2, 0.8, false),
		('favorite', 3, 0.1, 0.8, false),
		('bookmark', 3, 0.1, 0.8, false),
		('star', 3, 0.1, 0.8, false),
		('save', 3, 0.1, 0.8, false),
		('follow', 3, 0.2, 0.7, false),
		-- taking part: knowledge passes from one to many
		('comment', 2, 1, NULL, false),
		('reply', 2, 1, NULL, false),
		('review', 3, 1.5, NULL, false),
		('answer', 3, 2, NULL, false),
		('ask', 2, 0.5, NULL, false),
		('share', 3, 2, 0.8, false),
		('forward', 3, 2, 0.8, false),
		('repost', 3, 2, 0.8, false),
		('bounty', 3, 1, NULL, false),
		-- paying and finishing
		('cart', 2, 0, NULL, false),
		('purchase', 5, 0, NULL, false),
		('buy', 5, 0, NULL, false),
		('enroll', 5, 0, NULL, false),
		('subscribe', 5, 0, 0.7, false),
		('complete', 5, 0.2, 0.9, false),
		('accept', 3, 0.5, 1, false),
		-- judging with a number: the value says how much, and how satisfied
		('rating', 4, 0.2, NULL, true),
		('rate', 4, 0.2, NULL, true),
		-- turning away
		('dislike', -2, 0, 0.1, false),
		('downvote', -2, 0, 0.1, false),
		('hide', -3, 0, 0.1, false),
		('report', -4, 0, 0, false),
		('block', -4, 0, 0, false),
		('unsubscribe', -3, 0, 0.1, false),
		('cancel', -3, 0, 0.1, false),
		('drop', -3, 0, 0.2, false),
		('refund', -5, 0, 0, false)
$$;
COMMENT ON FUNCTION commrec.default_action() IS
'The weights with which a known action enters a model''s table "action", which is the place to change them. preference: how much one event says that the user wants the item (negative: does not). spread: how much knowledge it passes on. satisfaction: 0 to 1, NULL if it says nothing. uses_value: the event''s value counts, scaled to the range found in the data. Actions not listed get preference 1, spread 0, no satisfaction.';

-- ---------------------------------------------------------------------------
-- 5  Models: create, alter, drop
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.base_type(type oid) RETURNS oid
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE step AS (
		SELECT t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type AS t WHERE t.oid = type
		UNION ALL
		SELECT t.oid, t.typtype, t.typbasetype
		FROM step JOIN pg_catalog.pg_type AS t ON t.oid = step.typbasetype
		WHERE step.typtype = 'd')
	SELECT step.oid FROM step WHERE step.typtype <> 'd'
$$;
COMMENT ON FUNCTION commrec.base_type(oid) IS
'What a domain is made of in the end; any other type itself.';

CREATE FUNCTION commrec.relation_name(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
	FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.oid = relation
$$;
COMMENT ON FUNCTION commrec.relation_name(oid) IS
'Name of a relation, qualified and quoted; NULL if there is none.';

CREATE FUNCTION commrec.check_model_name(model text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF model IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'model must not be null',
			HINT = 'Give the model a name; its schema will bear it, too.';
	ELSIF model = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_name',
			MESSAGE = 'the name of a model must not be empty',
			HINT = 'Give the model a name; its schema will bear it, too.';
	ELSIF octet_length(model) > current_setting('max_identifier_length')::integer THEN
		RAISE EXCEPTION USING ERRCODE = 'name_too_long',
			MESSAGE = format('model name "%s" is too long', model),
			DETAIL = format('It has %s bytes; the limit is %s.', octet_length(model),
				current_setting('max_identifier_length')),
			HINT = 'Choose a shorter name.';
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.check_model_name(text) IS
'NULL: 22004; empty: 42602; longer than an identifier may be (63 bytes): 42622.';

CREATE FUNCTION commrec.check_model_free(model text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	BEGIN
		PERFORM commrec.model_schema(model);
	EXCEPTION
		WHEN undefined_object THEN
			RETURN;
		WHEN insufficient_privilege OR ambiguous_alias THEN
			NULL;				-- somebody's, all the same
	END;
	RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
		MESSAGE = format('model "%s" already exists', model),
		HINT = 'Choose another name; commrec.drop_model() removes a model, commrec.alter_model() changes it.';
END
$$;
COMMENT ON FUNCTION commrec.check_model_free(text) IS
'42710 if a model of that name exists, whoever may use it.';

CREATE FUNCTION commrec.source_column(events oid, column_name name) RETURNS oid
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_type oid;
	found_number smallint;
	names text[];
BEGIN
	SELECT a.atttypid, a.attnum INTO found_type, found_number
	FROM pg_attribute AS a
	WHERE a.attrelid = events AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT FOUND THEN
		SELECT array_agg(format('"%s"', a.attname) ORDER BY a.attnum) INTO names
		FROM pg_attribute AS a
		WHERE a.attrelid = events AND a.attnum > 0 AND NOT a.attisdropped;
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('column "%s" does not exist in %s', column_name, commrec.relation_name(events)),
			HINT = CASE WHEN names IS NULL THEN 'The relation has no columns.'
				ELSE format('The columns are %s%s.', array_to_string(names[1:50], ', '),
					CASE WHEN cardinality(names) > 50
						THEN format(' and %s more', cardinality(names) - 50) ELSE '' END) END;
	END IF;
	IF NOT has_column_privilege(events, found_number, 'SELECT') THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for column "%s" of %s', column_name, commrec.relation_name(events)),
			HINT = 'Events are read as the caller, who needs SELECT on them.';
	END IF;
	RETURN found_type;
END
$$;
COMMENT ON FUNCTION commrec.source_column(oid, name) IS
'Type of a column of the events. Not there: 42703 that lists the columns; not for the caller: 42501.';

CREATE FUNCTION commrec.source_id_type(events oid, column_name name) RETURNS regtype
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given oid := commrec.source_column(events, column_name);
	stored regtype := commrec.stored_id_type(given);
BEGIN
	IF stored IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
			MESSAGE = format('column "%s" of %s is of type %s, which an id cannot have', column_name,
				commrec.relation_name(events), format_type(given, NULL)),
			HINT = 'Cast it to text in a view and make the model over the view. Ids may be smallint, integer, bigint, uuid, text or varchar.';
	END IF;
	RETURN stored;
END
$$;
COMMENT ON FUNCTION commrec.source_id_type(oid, name) IS
'Type in which a model stores the ids of a column of the events; 42804 if its type cannot be an id.';

CREATE FUNCTION commrec.check_source_type(events oid, column_name name, allowed text[], what text) RETURNS void
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given oid := commrec.source_column(events, column_name);
	is_allowed boolean;
BEGIN
	SELECT t.typnamespace = 'pg_catalog'::regnamespace AND t.typname = ANY (allowed)
		OR t.typtype = 'e' AND 'enum' = ANY (allowed) INTO is_allowed
	FROM pg_type AS t
	WHERE t.oid = commrec.base_type(given);
	IF NOT is_allowed THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
			MESSAGE = format('column "%s" of %s is of type %s, but %s is needed', column_name,
				commrec.relation_name(events), format_type(given, NULL), what),
			HINT = 'Cast the column in a view and make the model over the view.';
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.check_source_type(oid, name, text[], text) IS
'42804 unless the column, domains looked through, has one of these types of pg_catalog ("enum": any enumeration). NULL column: nothing to check.';

CREATE FUNCTION commrec.check_source(events oid, user_column name, item_column name, action_column name,
	time_column name, value_column name, OUT user_type regtype, OUT item_type regtype)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind "char";
BEGIN
	IF events IS NULL OR user_column IS NULL OR item_column IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = format('%s must not be null', CASE WHEN events IS NULL THEN 'events'
				WHEN user_column IS NULL THEN 'user_column' ELSE 'item_column' END),
			HINT = 'A model needs a relation with a column of users and a column of items.';
	END IF;
	SELECT c.relkind INTO kind FROM pg_class AS c WHERE c.oid = events;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_table',
			MESSAGE = format('events relation %s does not exist', events),
			HINT = 'Give the name of a table or view.';
	ELSIF kind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
			MESSAGE = format('%s is not a table or view', commrec.relation_name(events)),
			HINT = 'Events are read from tables, views, materialized views and foreign tables.';
	ELSIF NOT has_any_column_privilege(events, 'SELECT') THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for %s', commrec.relation_name(events)),
			HINT = 'Events are read as the caller, who needs SELECT on them.';
	END IF;
	user_type := commrec.source_id_type(events, user_column);
	item_type := commrec.source_id_type(events, item_column);
	PERFORM commrec.check_source_type(events, action_column,
		'{text,varchar,bpchar,name,enum}', 'text or an enumeration');
	PERFORM commrec.check_source_type(events, time_column,
		'{timestamptz,timestamp,date}', 'timestamptz, timestamp or date');
	PERFORM commrec.check_source_type(events, value_column,
		'{int2,int4,int8,numeric,float4,float8}', 'a number');
END
$$;
COMMENT ON FUNCTION commrec.check_source(oid, name, name, name, name, name) IS
'Can a model be made over these columns of this relation, by the caller? Returns the types in which ids are stored. NULL: 22004 (action, time and value may be NULL: there is none); gone: 42P01; not a table or view: 42809; no such column: 42703; wrong type: 42804; no SELECT: 42501.';

CREATE FUNCTION commrec.prepare_schema(model text, in_schema name) RETURNS name
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	target name := coalesce(in_schema, model::name);
	namespace oid;
	namespace_owner oid;
	problem text;
	advice text := 'Give an empty schema of yours with in_schema.';
BEGIN
	SELECT n.oid, n.nspowner INTO namespace, namespace_owner FROM pg_namespace AS n WHERE n.nspname = target;
	IF FOUND THEN
		IF starts_with(target, 'pg_') THEN
			problem := 'belongs to the system';
		ELSIF NOT pg_has_role(namespace_owner, 'USAGE') THEN
			problem := 'already exists and is not yours';
		ELSIF EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = namespace AND c.relname = 'commrec_model') THEN
			problem := 'already holds a model';
			advice := 'commrec.drop_model() removes it and commrec.alter_model() changes it; in_schema puts a model with another name into another schema.';
		ELSIF EXISTS (SELECT FROM pg_depend AS d
					  WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = namespace AND d.deptype = 'n') THEN
			problem := 'already exists and is not empty';
		END IF;
		IF problem IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'duplicate_schema',
				MESSAGE = format('schema "%s" %s', target, problem), HINT = advice;
		END IF;
	ELSIF in_schema IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
			MESSAGE = format('schema "%s" does not exist', in_schema),
			HINT = 'Create it first, or leave in_schema out for a new schema with the name of the model.';
	END IF;
	PERFORM commrec.check_model_free(model);
	IF namespace IS NULL THEN
		EXECUTE format('CREATE SCHEMA %I', target);
	END IF;
	RETURN target;
END
$$;
COMMENT ON FUNCTION commrec.prepare_schema(text, name) IS
'An empty schema of the caller''s for a new model: in_schema, which must exist, or else one with the name of the model, made if it is not there. Not empty or not the caller''s: 42P06; in_schema missing: 3F000; the model exists elsewhere: 42710.';

CREATE FUNCTION commrec.create_tables(schema_name name, user_type regtype, item_type regtype) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	user_sql text := user_type::text || CASE WHEN user_type = 'text'::regtype THEN ' COLLATE "C"' ELSE '' END;
	item_sql text := item_type::text || CASE WHEN item_type = 'text'::regtype THEN ' COLLATE "C"' ELSE '' END;
BEGIN
	EXECUTE format($sql$
		CREATE TABLE %1$I.commrec_model (
			model text NOT NULL,
			format integer NOT NULL,
			events text NOT NULL,
			events_oid oid NOT NULL,
			model_oid oid NOT NULL,
			user_column name NOT NULL,
			item_column name NOT NULL,
			action_column name,
			time_column name,
			value_column name,
			user_type regtype NOT NULL,
			item_type regtype NOT NULL,
			algorithm text NOT NULL,
			hyperparameters jsonb NOT NULL,
			bucket interval NOT NULL,
			created_at timestamptz NOT NULL DEFAULT now(),
			fresh boolean NOT NULL DEFAULT false,
			only_row boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row));

		CREATE TABLE %1$I.action (
			action text COLLATE "C" PRIMARY KEY,
			preference double precision NOT NULL DEFAULT 1
				CONSTRAINT preference_is_finite CHECK (preference > '-Infinity' AND preference < 'Infinity'),
			spread double precision NOT NULL DEFAULT 0
				CONSTRAINT spread_is_finite_and_not_negative CHECK (spread >= 0 AND spread < 'Infinity'),
			satisfaction double precision
				CONSTRAINT satisfaction_is_between_0_and_1 CHECK (satisfaction >= 0 AND satisfaction <= 1),
			value_low double precision,
			value_high double precision,
			CONSTRAINT value_range_is_both_or_neither CHECK ((value_low IS NULL) = (value_high IS NULL)),
			CONSTRAINT value_range_is_finite_and_ascending
				CHECK (value_low > '-Infinity' AND value_low < value_high AND value_high < 'Infinity'));

		CREATE TABLE %1$I.version (
			version integer PRIMARY KEY,
			trained_at timestamptz NOT NULL,
			algorithm text NOT NULL,
			hyperparameters jsonb NOT NULL,
			events bigint NOT NULL,
			users bigint NOT NULL,
			items bigint NOT NULL,
			pairs bigint NOT NULL,
			skipped jsonb NOT NULL,
			events_until timestamptz,
			seconds double precision NOT NULL,
			workers integer NOT NULL,
			memory_planned bigint NOT NULL,
			row_security boolean NOT NULL,
			metrics jsonb NOT NULL,
			dims integer NOT NULL,
			factors integer NOT NULL,
			deployed boolean NOT NULL);
		CREATE UNIQUE INDEX version_deployed_idx ON %1$I.version (deployed) WHERE deployed;

		CREATE TABLE %1$I.epoch (
			version integer,
			epoch integer,
			loss double precision NOT NULL,
			seconds double precision NOT NULL,
			cpu_seconds double precision NOT NULL,
			PRIMARY KEY (version, epoch));

		CREATE TABLE %1$I.user_embedding (
			version integer,
			user_id %2$s,
			embedding bytea,
			seen bytea NOT NULL,
			preferences bytea NOT NULL,
			items integer NOT NULL,
			PRIMARY KEY (version, user_id)) WITH (toast_tuple_target = 8160);
		ALTER TABLE %1$I.user_embedding
			ALTER COLUMN embedding SET STORAGE EXTERNAL, ALTER COLUMN seen SET STORAGE EXTERNAL,
			ALTER COLUMN preferences SET STORAGE EXTERNAL;

		CREATE TABLE %1$I.fold_in (
			version integer PRIMARY KEY,
			age_origin timestamptz,
			gram bytea,
			folded_until timestamptz,
			folded_events bigint NOT NULL DEFAULT 0,
			trained_items integer NOT NULL) WITH (toast_tuple_target = 8160);
		ALTER TABLE %1$I.fold_in ALTER COLUMN gram SET STORAGE EXTERNAL;

		CREATE TABLE %1$I.trending (
			version integer,
			place integer,
			item_no integer NOT NULL,
			trend real NOT NULL,
			PRIMARY KEY (version, place));

		CREATE TABLE %1$I.item_embedding (
			version integer,
			item_id %3$s,
			item_no integer NOT NULL,
			embedding bytea NOT NULL,
			popularity real NOT NULL,
			popular_no integer NOT NULL,
			users integer NOT NULL,
			PRIMARY KEY (version, item_id),
			UNIQUE (version, item_no),
			UNIQUE (version, popular_no)) WITH (toast_tuple_target = 8160);
		ALTER TABLE %1$I.item_embedding ALTER COLUMN embedding SET STORAGE EXTERNAL;

		CREATE TABLE %1$I.item_block (
			version integer,
			block integer,
			items integer NOT NULL,
			max_norm real NOT NULL,
			codes bytea NOT NULL,
			PRIMARY KEY (version, block)) WITH (toast_tuple_target = 8160);
		ALTER TABLE %1$I.item_block ALTER COLUMN codes SET STORAGE PLAIN;

		CREATE TABLE %1$I.item_neighbor (
			version integer,
			item_no integer,
			neighbors bytea NOT NULL,
			PRIMARY KEY (version, item_no)) WITH (toast_tuple_target = 8160);
		ALTER TABLE %1$I.item_neighbor ALTER COLUMN neighbors SET STORAGE EXTERNAL;

		CREATE TABLE %1$I.item_filter (
			filter text COLLATE "C" PRIMARY KEY,
			items text NOT NULL,
			items_oid oid NOT NULL,
			filter_oid oid NOT NULL,
			item_column name NOT NULL,
			predicate text NOT NULL,
			search_path text NOT NULL,
			refreshed_at timestamptz NOT NULL);

		CREATE TABLE %1$I.item_filter_member (
			filter text COLLATE "C",
			item_id %3$s,
			PRIMARY KEY (filter, item_id));

		CREATE TABLE %1$I.item_filter_piece (
			filter text COLLATE "C",
			version integer,
			piece integer,
			items bytea NOT NULL,
			PRIMARY KEY (filter, version, piece)) WITH (toast_tuple_target = 8160);
		ALTER TABLE %1$I.item_filter_piece ALTER COLUMN items SET STORAGE PLAIN;

		CREATE TABLE %1$I.item_spread (
			item_id %3$s PRIMARY KEY,
			reach bigint NOT NULL,
			spread double precision NOT NULL,
			coefficient double precision NOT NULL);

		CREATE TABLE %1$I.spread_factor (
			bucket timestamptz PRIMARY KEY,
			events bigint NOT NULL,
			spread double precision NOT NULL,
			factor double precision NOT NULL);

		CREATE TABLE %1$I.user_activity (
			user_id %2$s,
			bucket timestamptz,
			interactions bigint NOT NULL,
			items bigint NOT NULL,
			spread double precision NOT NULL,
			satisfaction double precision,
			signals bigint NOT NULL,
			PRIMARY KEY (user_id, bucket));

		CREATE TABLE %1$I.item_activity (
			item_id %3$s,
			bucket timestamptz,
			until timestamptz NOT NULL,
			events bigint NOT NULL,
			users bigint NOT NULL,
			positive bigint NOT NULL,
			preference double precision NOT NULL,
			PRIMARY KEY (item_id, bucket));

		CREATE TABLE %1$I.evaluation (
			evaluation integer PRIMARY KEY,
			evaluated_at timestamptz NOT NULL DEFAULT now(),
			version integer,
			protocol text NOT NULL,
			split_at timestamptz,
			test text,
			negatives text,
			hyperparameters jsonb NOT NULL,
			users bigint NOT NULL,
			pairs bigint NOT NULL,
			reachable double precision,
			seconds double precision NOT NULL);

		CREATE TABLE %1$I.metric (
			evaluation integer NOT NULL,
			scorer text NOT NULL,
			stratum text NOT NULL,
			metric text NOT NULL,
			k integer,
			value double precision,
			low double precision,
			high double precision,
			users bigint NOT NULL);
		CREATE INDEX metric_evaluation_idx ON %1$I.metric (evaluation);

		CREATE TABLE %1$I.trial (
			tuning integer,
			trial integer,
			hyperparameters jsonb NOT NULL,
			metric text NOT NULL,
			folds integer NOT NULL,
			value double precision,
			seconds double precision,
			finished_at timestamptz,
			is_best boolean NOT NULL DEFAULT false,
			error text,
			PRIMARY KEY (tuning, trial));

		CREATE TABLE %1$I.knowledge (
			only_row boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
			until timestamptz,
			bucket_width bigint NOT NULL,
			squares double precision NOT NULL,
			timed_squares double precision NOT NULL,
			actions bigint NOT NULL);

		CREATE TABLE %1$I.job (
			job bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			started timestamptz NOT NULL,
			ended timestamptz,
			mode text NOT NULL,
			decided text,
			reason text,
			outcome text NOT NULL,
			sqlstate text,
			message text,
			version integer,
			detail jsonb);

		CREATE TABLE %1$I.forgotten (
			user_hash bytea PRIMARY KEY,
			forgotten_at timestamptz NOT NULL DEFAULT now());

		CREATE TABLE %1$I.forget_key (
			only_row boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (only_row),
			key bytea NOT NULL)
	$sql$, schema_name, user_sql, item_sql);
END
$$;
COMMENT ON FUNCTION commrec.create_tables(name, regtype, regtype) IS
'Creates the tables of a model in its schema.';

CREATE FUNCTION commrec.comment_tables(schema_name name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry record;
BEGIN
	FOR entry IN
		SELECT c.target, c.words FROM (VALUES
			('commrec_model', NULL, 'Configuration of a commrec model, one row; commrec.alter_model() changes it'),
			('commrec_model', 'model', 'name of the model'),
			('commrec_model', 'format', 'layout of the tables in this schema'),
			('commrec_model', 'events', 'events relation, qualified and quoted, as last seen'),
			('commrec_model', 'events_oid', 'oid of the events relation, followed through renames while model_oid is the oid of this table'),
			('commrec_model', 'model_oid', 'oid of this table when the row was written; another one after a restore'),
			('commrec_model', 'user_column', 'column of the events that says who'),
			('commrec_model', 'item_column', 'column of the events that says with what'),
			('commrec_model', 'action_column', 'column of the events that says which action; NULL: all are one'),
			('commrec_model', 'time_column', 'column of the events that says when; NULL: no knowledge spread and no satisfaction'),
			('commrec_model', 'value_column', 'column of the events with a number, such as a rating; NULL: none'),
			('commrec_model', 'user_type', 'type in which users are stored'),
			('commrec_model', 'item_type', 'type in which items are stored'),
			('commrec_model', 'algorithm', 'what trains the model'),
			('commrec_model', 'hyperparameters', 'those that differ from the defaults'),
			('commrec_model', 'bucket', 'width of a bucket of time'),
			('commrec_model', 'created_at', 'when the model was created'),
			('commrec_model', 'fresh', 'are events since the training folded in, unless a call says otherwise?'),
			('commrec_model', 'only_row', 'true, so that there is one row at most'),
			('action', NULL, 'Weights of the actions: edit them, then train again'),
			('action', 'action', 'action as it is in the events'),
			('action', 'preference', 'how much one event says that the user wants the item; negative: does not'),
			('action', 'spread', 'how much knowledge one event passes on; 0: none'),
			('action', 'satisfaction', 'how satisfied the user is with it, 0 to 1; NULL: it does not say'),
			('action', 'value_low', 'value of an event that counts as 0; NULL: values do not count'),
			('action', 'value_high', 'value of an event that counts as 1; NULL: values do not count'),
			('version', NULL, 'Training runs; commrec.deploy() and commrec.rollback() choose which one serves'),
			('version', 'version', 'number of the run'),
			('version', 'trained_at', 'when the training began'),
			('version', 'algorithm', 'what trained it'),
			('version', 'hyperparameters', 'as used, defaults filled in'),
			('version', 'events', 'events that were used'),
			('version', 'users', 'users in them'),
			('version', 'items', 'items in them'),
			('version', 'pairs', 'pairs of user and item with a positive preference'),
			('version', 'skipped', 'events left out, by reason'),
			('version', 'events_until', 'time of the newest event'),
			('version', 'seconds', 'how long the run took'),
			('version', 'workers', 'parallel workers that took part'),
			('version', 'memory_planned', 'bytes that the run planned for'),
			('version', 'row_security', 'were the events read under row security?'),
			('version', 'metrics', 'figures of the training and its validation'),
			('version', 'dims', 'dimensions of the embeddings; 0: nothing could be learned'),
			('version', 'factors', 'the first of them, which were learned; one more is popularity'),
			('version', 'deployed', 'does this version serve?'),
			('epoch', NULL, 'The learning curves'),
			('epoch', 'version', 'version that was trained'),
			('epoch', 'epoch', 'pass over all users and items, from 1'),
			('epoch', 'loss', 'objective after the pass'),
			('epoch', 'seconds', 'how long the pass took'),
			('epoch', 'cpu_seconds', 'CPU time of the pass, of leader and workers together'),
			('user_embedding', NULL, 'What was learned of each user'),
			('user_embedding', 'version', 'version that learned it'),
			('user_embedding', 'user_id', 'user'),
			('user_embedding', 'embedding', 'embedding, see commrec.embedding_to_array(); NULL: nothing learned'),
			('user_embedding', 'seen', 'items that the user has seen or dislikes, packed by item_no'),
			('user_embedding', 'preferences', 'how much the user wants each of these items, packed in their order'),
			('user_embedding', 'items', 'how many distinct items the user has seen'),
			('fold_in', NULL, 'What it takes to solve a user against the items of a version; never edited'),
			('fold_in', 'version', 'version it belongs to'),
			('fold_in', 'age_origin', 'ages of preferences count from here; NULL: no event had a time'),
			('fold_in', 'gram', 'Gram matrix of the items, weighted as unobserved pairs are; NULL: nothing learned'),
			('fold_in', 'folded_until', 'newest event that is in the version, by training or by commrec.refresh(); later ones are fresh'),
			('fold_in', 'folded_events', 'new events since the training, by commrec.refresh()'),
			('fold_in', 'trained_items', 'items of the training: those in gram'),
			('trending', NULL, 'Rising items for users of whom nothing is known, where that has proved better than popular ones'),
			('trending', 'version', 'version they belong to'),
			('trending', 'place', 'in descending order of trend, from 0'),
			('trending', 'item_no', 'item, by its number in item_embedding'),
			('trending', 'trend', 'recent readers over those expected in the long run, shrunk to 1'),
			('item_embedding', NULL, 'What was learned of each item'),
			('item_embedding', 'version', 'version that learned it'),
			('item_embedding', 'item_id', 'item'),
			('item_embedding', 'item_no', 'place of the item in descending order of norm, from 0'),
			('item_embedding', 'embedding', 'embedding, see commrec.embedding_to_array()'),
			('item_embedding', 'popularity', 'decayed popularity: sum over users of their strongest event on the item, aged'),
			('item_embedding', 'popular_no', 'place of the item in descending order of popularity, from 0'),
			('item_embedding', 'users', 'distinct users of the item'),
			('item_block', NULL, 'Items packed for serving, derived from item_embedding; never edited'),
			('item_block', 'version', 'version they belong to'),
			('item_block', 'block', 'number of the block, in descending order of norm'),
			('item_block', 'items', 'items in the block'),
			('item_block', 'max_norm', 'largest norm in the block'),
			('item_block', 'codes', 'quantised embeddings with their scale and error bound'),
			('item_neighbor', NULL, 'The items that go with each item, of versions whose scores come from such lists'),
			('item_neighbor', 'version', 'version that learned them'),
			('item_neighbor', 'item_no', 'number of the item, as in item_embedding'),
			('item_neighbor', 'neighbors', 'its list, see commrec.unpack_neighbors()'),
			('item_filter', NULL, 'Filters for recommend(filter => ...), see commrec.create_filter()'),
			('item_filter', 'filter', 'name of the filter'),
			('item_filter', 'items', 'table or view that the predicate is about, as last seen'),
			('item_filter', 'items_oid', 'its oid, followed through renames while filter_oid is this table''s oid'),
			('item_filter', 'filter_oid', 'oid of this table when the row was written; another one: restored'),
			('item_filter', 'item_column', 'its column of item ids'),
			('item_filter', 'predicate', 'condition that an item must meet'),
			('item_filter', 'search_path', 'in force while it is evaluated'),
			('item_filter', 'refreshed_at', 'when it was last evaluated'),
			('item_filter_member', NULL, 'Items that passed a filter when it was last evaluated'),
			('item_filter_member', 'filter', 'name of the filter'),
			('item_filter_member', 'item_id', 'item'),
			('item_filter_piece', NULL, 'The same, packed for serving; never edited'),
			('item_filter_piece', 'filter', 'name of the filter'),
			('item_filter_piece', 'version', 'version whose item numbers are meant'),
			('item_filter_piece', 'piece', 'number of the piece, from 0: 63488 item numbers each'),
			('item_filter_piece', 'items', 'one bit for each item number'),
			('item_spread', NULL, 'How much knowledge each item passes on per user it reaches'),
			('item_spread', 'item_id', 'item j'),
			('item_spread', 'reach', 'R_j: distinct users reached'),
			('item_spread', 'spread', 'A_j: sum of the spread weights of its events'),
			('item_spread', 'coefficient', 'w_j = (A_j + m mu) / (R_j + m), shrunk to the mean of the community'),
			('spread_factor', NULL, 'How much the community passes on in each bucket, against its mean'),
			('spread_factor', 'bucket', 'start of bucket t'),
			('spread_factor', 'events', 'N_t: events'),
			('spread_factor', 'spread', 'A_t: sum of their spread weights'),
			('spread_factor', 'factor', 'f(t) = (A_t + m) / (N_t r + m), shrunk to 1'),
			('user_activity', NULL, 'Knowledge spread and satisfaction of each user in each bucket with events'),
			('user_activity', 'user_id', 'user i'),
			('user_activity', 'bucket', 'start of bucket t'),
			('user_activity', 'interactions', 'a(t,i): events of the user in the bucket'),
			('user_activity', 'items', 'distinct items in them'),
			('user_activity', 'spread', 'K(t,i) = f(t) * sum of w_j over the distinct items'),
			('user_activity', 'satisfaction', 's(t,i): mean of the satisfaction signals, 0 to 1; NULL: none'),
			('user_activity', 'signals', 'number of satisfaction signals'),
			('item_activity', NULL, 'What happened to each item, by buckets that get longer with age'),
			('item_activity', 'item_id', 'item j'),
			('item_activity', 'bucket', 'start of the stretch of time; -infinity: events without time'),
			('item_activity', 'until', 'end of the stretch, not part of it'),
			('item_activity', 'events', 'events on the item'),
			('item_activity', 'users', 'distinct users of them'),
			('item_activity', 'positive', 'those of the users who were satisfied or, without a signal, in favour'),
			('item_activity', 'preference', 'sum of the preferences of these events, where above 0'),
			('evaluation', NULL, 'What commrec.evaluate() has measured'),
			('evaluation', 'evaluation', 'number of the evaluation'),
			('evaluation', 'evaluated_at', 'when'),
			('evaluation', 'version', 'version that was judged; NULL: a model trained for the evaluation, of which nothing was kept'),
			('evaluation', 'protocol', 'what was ranked, and what had to be foreseen'),
			('evaluation', 'split_at', 'time from which on events had to be foreseen; NULL: not split by time'),
			('evaluation', 'test', 'relation of the test events; NULL: split off the model''s own'),
			('evaluation', 'negatives', 'relation of the items to rank against; NULL: the whole catalogue'),
			('evaluation', 'hyperparameters', 'as used, defaults filled in'),
			('evaluation', 'users', 'users with something to foresee'),
			('evaluation', 'pairs', 'pairs of user and item to foresee'),
			('evaluation', 'reachable', 'part of them whose item the model could know: nobody can do better in recall'),
			('evaluation', 'seconds', 'how long it took'),
			('metric', NULL, 'The figures of the evaluations'),
			('metric', 'evaluation', 'evaluation they belong to'),
			('metric', 'scorer', 'who ranked: model, popular, recent; "model - popular" is a difference over the same users'),
			('metric', 'stratum', 'all, or some of the users or items'),
			('metric', 'metric', 'what was measured; doc/evaluation.md has the definitions'),
			('metric', 'k', 'of the first k places; NULL: of the whole ranking'),
			('metric', 'value', 'mean over the users'),
			('metric', 'low', 'lower end of the interval, by bootstrap over users; NULL: none'),
			('metric', 'high', 'upper end of the interval'),
			('metric', 'users', 'users that it is the mean of'),
			('trial', NULL, 'What commrec.tune() has tried'),
			('trial', 'tuning', 'number of the search'),
			('trial', 'trial', 'number of the trial; 1 has the model''s own hyperparameters'),
			('trial', 'hyperparameters', 'those that are searched; null: chosen from the data'),
			('trial', 'metric', 'what is to be as high as possible'),
			('trial', 'folds', 'folds that it has been judged on; 0: not yet'),
			('trial', 'value', 'mean of the metric over these folds'),
			('trial', 'seconds', 'how long training and ranking took'),
			('trial', 'finished_at', 'when it was last judged'),
			('trial', 'is_best', 'is it the one that the search recommends?'),
			('trial', 'error', 'why it was given up; NULL: it was not'),
			('knowledge', NULL, 'What the tables of knowledge spread and satisfaction were computed from; never edited'),
			('knowledge', 'only_row', 'true, so that there is one row at most'),
			('knowledge', 'until', 'newest event in them that was not in the future; NULL: no event had a time'),
			('knowledge', 'bucket_width', 'width of a bucket, in microseconds'),
			('knowledge', 'squares', 'sum of the squares of the spread weights of single events'),
			('knowledge', 'timed_squares', 'the same, of events with a time'),
			('knowledge', 'actions', 'digest of the weights of actions that were used'),
			('job', NULL, 'Runs of commrec.refresh(), the newest 10000'),
			('job', 'job', 'number of the run'),
			('job', 'started', 'when it began'),
			('job', 'ended', 'when it ended; NULL: it runs, or its session is gone'),
			('job', 'mode', 'what was asked for: auto, retrain, fold_in'),
			('job', 'decided', 'what was done: retrain, fold_in, nothing; NULL: it did not get so far'),
			('job', 'reason', 'why'),
			('job', 'outcome', 'running, done, skipped (another one was at work) or failed'),
			('job', 'sqlstate', 'SQLSTATE of the error; NULL: none'),
			('job', 'message', 'message of the error; NULL: none'),
			('job', 'version', 'version that it has trained, or that serves'),
			('job', 'detail', 'what was folded in: events, those that wait, users, items'),
			('forgotten', NULL, 'Users who are left out of everything, see commrec.forget(); not for readers'),
			('forgotten', 'user_hash', 'HMAC-SHA256 of the user''s id as text, under the key in forget_key'),
			('forgotten', 'forgotten_at', 'when it was asked for'),
			('forget_key', NULL, 'Key of the hashes in forgotten; not for readers'),
			('forget_key', 'only_row', 'true, so that there is one row at most'),
			('forget_key', 'key', 'random, made by the first commrec.forget()'))
			AS w (relation, attribute, words),
			LATERAL (SELECT CASE WHEN w.attribute IS NULL THEN format('TABLE %I.%I', schema_name, w.relation)
						ELSE format('COLUMN %I.%I.%I', schema_name, w.relation, w.attribute) END, w.words)
			AS c (target, words)
	LOOP
		EXECUTE format('COMMENT ON %s IS %L', entry.target, entry.words);
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.comment_tables(name) IS
'Comments on the tables of a model and their columns.';

CREATE FUNCTION commrec.create_functions(schema_name name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
	user_argument text;
	item_argument text;
	user_type text;
	item_type text;
	-- What the overloaded satisfaction_detail() takes.
	wide_type text;
	entry record;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	user_type := format('pg_catalog.%I', (SELECT t.typname FROM pg_type AS t WHERE t.oid = config.user_type));
	item_type := format('pg_catalog.%I', (SELECT t.typname FROM pg_type AS t WHERE t.oid = config.item_type));
	-- A literal such as 42 is an integer, which does not become a smallint by itself.
	user_argument := replace(user_type, 'int2', 'int4');
	item_argument := replace(item_type, 'int2', 'int4');
	wide_type := replace(user_argument, 'int4', 'int8');
	FOR entry IN
		SELECT f.signature, f.result, f.body, f.words FROM (VALUES
			(format('recommend(user_id %s, k integer DEFAULT 10, exclude_seen boolean DEFAULT true, '
				'candidates %s[] DEFAULT NULL, exclude %2$s[] DEFAULT NULL, filter text DEFAULT NULL, '
				'resurface_after interval DEFAULT NULL, diversity double precision DEFAULT 0, skip integer DEFAULT 0, '
				'fresh boolean DEFAULT NULL)',
				user_argument, item_argument),
			 format('TABLE (rank integer, item_id %s, score real, source text)', item_type),
			 format('SELECT r.rank, r.item_id, r.score, r.source FROM commrec.recommend_typed('
				'%L::pg_catalog.text, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10) '
				'AS r (rank pg_catalog.int4, item_id %s, score pg_catalog.float4, source pg_catalog.text)', config.model, item_type),
			 'The k best items for a user; see commrec.recommend().'),
			('recommend_all(k integer DEFAULT 10, exclude_seen boolean DEFAULT true, workers integer DEFAULT NULL)',
			 format('TABLE (user_id %s, rank integer, item_id %s, score real, source text)', user_type, item_type),
			 format('SELECT r.user_id, r.rank, r.item_id, r.score, r.source FROM commrec.recommend_all_typed(%L::pg_catalog.text, $1, $2, $3) '
				'AS r (user_id %s, rank pg_catalog.int4, item_id %s, score pg_catalog.float4, source pg_catalog.text)',
				config.model, user_type, item_type),
			 'The k best items for every user; see commrec.recommend_all().'),
			(format('similar_items(item_id %s, k integer DEFAULT 10)', item_argument),
			 format('TABLE (rank integer, item_id %s, similarity real)', item_type),
			 format('SELECT r.rank, r.item_id, r.similarity FROM commrec.similar_items_typed(%L::pg_catalog.text, $1, $2) '
				'AS r (rank pg_catalog.int4, item_id %s, similarity pg_catalog.float4)', config.model, item_type),
			 'The k items nearest to an item; see commrec.similar_items().'),
			(format('score(user_id %s, item_id %s)', user_argument, item_argument), 'real',
			 format('SELECT commrec.score_typed(%L::pg_catalog.text, $1, $2)', config.model),
			 'Score of an item for a user; see commrec.score().'),
			(format('explain(user_id %s, item_id %s)', user_argument, item_argument),
			 format('TABLE (rank integer, item_id %s, confidence double precision, contribution double precision, '
				'source text)', item_type),
			 format('SELECT r.rank, r.item_id, r.confidence, r.contribution, r.source '
				'FROM commrec.explain_typed(%L::pg_catalog.text, $1, $2) AS r (rank pg_catalog.int4, item_id %s, '
				'confidence pg_catalog.float8, contribution pg_catalog.float8, source pg_catalog.text)', config.model, item_type),
			 'What the past of a user contributes to the score of an item; see commrec.explain().'),
			(format('similar_users(user_id %s, k integer DEFAULT 10)', user_argument),
			 format('TABLE (rank integer, user_id %s, similarity real)', user_type),
			 format('SELECT r.rank, r.user_id, r.similarity FROM commrec.similar_users_typed(%L::pg_catalog.text, $1, $2) '
				'AS r (rank pg_catalog.int4, user_id %s, similarity pg_catalog.float4)', config.model, user_type),
			 'The k users nearest to a user; see commrec.similar_users().'),
			('popular(k integer DEFAULT 10, since timestamptz DEFAULT NULL, kind text DEFAULT ''decay'')',
			 format('TABLE (rank integer, item_id %s, score double precision)', item_type),
			 format('SELECT r.rank, r.item_id, r.score FROM commrec.popular_typed(%L::pg_catalog.text, $1, $2, $3) '
				'AS r (rank pg_catalog.int4, item_id %s, score pg_catalog.float8)', config.model, item_type),
			 'The k most popular items; see commrec.popular().'),
			(format('knowledge_spread(user_id %s, t timestamptz)', user_argument), 'double precision',
			 format('SELECT commrec.knowledge_spread_typed(%L::pg_catalog.text, $1, $2)', config.model),
			 'Knowledge that a user spread in the bucket that holds t; see commrec.knowledge_spread().'),
			(format('satisfaction(user_id %s)', user_argument), 'double precision',
			 format('SELECT commrec.satisfaction_typed(%L::pg_catalog.text, $1)', config.model),
			 'Satisfaction of a user over all buckets; see commrec.satisfaction().'),
			(format('satisfaction_detail(user_id %s)', user_argument),
			 'TABLE (bucket timestamptz, satisfaction double precision, signals bigint, interactions bigint, '
				'mean double precision, source text)',
			 format('SELECT d.bucket, d.satisfaction, d.signals, d.interactions, d.mean, d.source '
				'FROM commrec.satisfaction_detail($1::%s, %L::pg_catalog.text) AS d', wide_type, config.model),
			 'Satisfaction of a user, bucket by bucket; see commrec.satisfaction_detail(). The caller needs SELECT on user_activity.'))
			AS f (signature, result, body, words)
	LOOP
		EXECUTE format('CREATE OR REPLACE FUNCTION %I.%s RETURNS %s LANGUAGE sql STABLE PARALLEL %s %s AS %L',
			schema_name, entry.signature, entry.result,
			CASE WHEN entry.signature LIKE 'recommend\_all(%' THEN 'RESTRICTED' ELSE 'SAFE' END,
			CASE WHEN entry.signature LIKE 'recommend\_all(%' THEN 'ROWS 1000000'
				WHEN entry.result LIKE 'TABLE%' THEN 'ROWS 10' ELSE '' END, entry.body);
		EXECUTE format('COMMENT ON FUNCTION %I.%s IS %L', schema_name,
			regexp_replace(entry.signature, ' DEFAULT (\w+|''\w+'')', '', 'g'), entry.words);
		EXECUTE format('ALTER FUNCTION %I.%s DEPENDS ON EXTENSION commrec', schema_name,
			regexp_replace(entry.signature, ' DEFAULT (\w+|''\w+'')', '', 'g'));
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.create_functions(name) IS
'Creates the typed functions of a model, or makes them name it anew. They go with the extension, and the planner inlines them: no SET clause, everything qualified, no operators.';

CREATE FUNCTION commrec.count_actions(schema_name name, search_path text, OUT actions text[], OUT events bigint[],
	OUT lows double precision[], OUT highs double precision[], OUT total bigint, OUT first text, OUT last text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	limit_actions CONSTANT integer := 32767;
	config record;
	implied text;
	query text;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	implied := CASE WHEN config.value_column IS NULL THEN 'event' ELSE 'rating' END;
	query := format($sql$
		SELECT pg_catalog.array_agg(g.action) FILTER (WHERE g.is_action),
			pg_catalog.array_agg(g.events) FILTER (WHERE g.is_action),
			pg_catalog.array_agg(g.low) FILTER (WHERE g.is_action),
			pg_catalog.array_agg(g.high) FILTER (WHERE g.is_action),
			pg_catalog.max(g.events) FILTER (WHERE NOT g.is_action),
			pg_catalog.max(g.first) FILTER (WHERE NOT g.is_action),
			pg_catalog.max(g.last) FILTER (WHERE NOT g.is_action)
		FROM (
			SELECT e.action, GROUPING(e.action)::pg_catalog.bool IS FALSE AS is_action,
				pg_catalog.count(*) AS events,
				pg_catalog.min(e.number) FILTER (WHERE e.number OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.float8
					AND e.number OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.float8) AS low,
				pg_catalog.max(e.number) FILTER (WHERE e.number OPERATOR(pg_catalog.>) '-Infinity'::pg_catalog.float8
					AND e.number OPERATOR(pg_catalog.<) 'Infinity'::pg_catalog.float8) AS high,
				pg_catalog.min(e.at) FILTER (WHERE pg_catalog.isfinite(e.at))::pg_catalog.text AS first,
				pg_catalog.max(e.at) FILTER (WHERE pg_catalog.isfinite(e.at))::pg_catalog.text AS last
			FROM (
				SELECT %1$s COLLATE pg_catalog."C" AS action, %2$s AS at, %3$s AS number
				FROM %4$s AS s
				WHERE s.%5$I IS NOT NULL AND s.%6$I IS NOT NULL) AS e
			GROUP BY GROUPING SETS ((), (e.action))
			ORDER BY 2, 1
			LIMIT %7$s) AS g
		$sql$,
		CASE WHEN config.action_column IS NULL THEN format('%L::pg_catalog.text', implied)
			ELSE format('COALESCE(s.%I::pg_catalog.text, %L::pg_catalog.text)', config.action_column, implied) END,
		CASE WHEN config.time_column IS NULL THEN 'NULL::pg_catalog.timestamptz'
			ELSE format('s.%I::pg_catalog.%I', config.time_column,
				(SELECT t.typname FROM pg_type AS t
				 WHERE t.oid = commrec.base_type(commrec.source_column(config.events_oid, config.time_column)))) END,
		CASE WHEN config.value_column IS NULL THEN 'NULL::pg_catalog.float8'
			ELSE format('s.%I::pg_catalog.float8', config.value_column) END,
		config.events, config.user_column, config.item_column, limit_actions + 2);
	-- The end of this function undoes it: the setting is the function's own.
	PERFORM pg_catalog.set_config('search_path', search_path, true);
	EXECUTE query INTO actions, events, lows, highs, total, first, last;
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	IF cardinality(actions) > limit_actions THEN
		RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded',
			MESSAGE = format('too many different actions: the limit is %s', limit_actions),
			HINT = 'Choose another action column, or group the actions in a view.';
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.count_actions(name, text) IS
'Reads the events of a model as the caller, once: the actions that occur, how often, the finite range of their values; the number of events with ids and the finite range of their times.';

CREATE FUNCTION commrec.count_ids(schema_name name, search_path text, OUT users bigint, OUT items bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
	query text;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	SELECT format('SELECT pg_catalog.count(DISTINCT s.%I::pg_catalog.%I%s), pg_catalog.count(DISTINCT s.%I::pg_catalog.%I%s) '
		'FROM %s AS s WHERE s.%I IS NOT NULL AND s.%I IS NOT NULL',
		config.user_column, u.typname, CASE WHEN u.typname = 'text' THEN ' COLLATE pg_catalog."C"' ELSE '' END,
		config.item_column, i.typname, CASE WHEN i.typname = 'text' THEN ' COLLATE pg_catalog."C"' ELSE '' END,
		config.events, config.user_column, config.item_column)
	INTO STRICT query
	FROM pg_type AS u, pg_type AS i
	WHERE u.oid = config.user_type AND i.oid = config.item_type;
	-- The end of this function undoes it: the setting is the function's own.
	PERFORM pg_catalog.set_config('search_path', search_path, true);
	EXECUTE query INTO users, items;
END
$$;
COMMENT ON FUNCTION commrec.count_ids(name, text) IS
'Reads the events of a model as the caller, once: number of distinct users and items.';

CREATE FUNCTION commrec.estimate_events(schema_name name, search_path text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
	query text;
	plan jsonb;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	query := format('EXPLAIN (FORMAT JSON) SELECT s.%I, s.%I FROM %s AS s',
		config.user_column, config.item_column, config.events);
	-- The end of this function undoes it: the setting is the function's own.
	PERFORM pg_catalog.set_config('search_path', search_path, true);
	EXECUTE query INTO plan;
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	RETURN (plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric;
END
$$;
COMMENT ON FUNCTION commrec.estimate_events(name, text) IS
'How many rows the planner expects of a model''s events.';

CREATE FUNCTION commrec.add_actions(schema_name name, actions text[], lows double precision[],
	highs double precision[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text[];
BEGIN
	EXECUTE format($sql$
		WITH occurring AS (
			SELECT o.action, o.high AS value_high,
				-- A single value is the top of its range.
				CASE WHEN o.low < o.high THEN o.low WHEN o.high > 0 THEN 0 WHEN o.high = 0 THEN -1
					WHEN o.high > -8e307 THEN 2 * o.high END AS value_low
			FROM unnest($1, $2, $3) AS o (action, low, high)),
		added AS (
			INSERT INTO %1$I.action AS a (action, preference, spread, satisfaction, value_low, value_high)
			SELECT o.action, coalesce(d.preference, 1), coalesce(d.spread, 0), d.satisfaction,
				CASE WHEN r.is_range THEN o.value_low END, CASE WHEN r.is_range THEN o.value_high END
			FROM occurring AS o
				LEFT JOIN commrec.default_action() AS d ON d.action COLLATE "C" = o.action COLLATE "C",
				-- The width of a range must be a number, too.
				LATERAL (SELECT d.uses_value AND o.value_low IS NOT NULL
						 AND o.value_high / 2 - o.value_low / 2 < 8e307) AS r (is_range)
			ON CONFLICT DO NOTHING
			RETURNING a.action)
		SELECT array_agg(format('"%%s"', n.action) ORDER BY n.action)
		FROM added AS n
		WHERE NOT EXISTS (SELECT FROM commrec.default_action() AS d WHERE d.action COLLATE "C" = n.action)
		$sql$, schema_name)
	INTO unknown USING actions, lows, highs;
	-- "event" stands for events that name no action: nothing to know about it.
	unknown := array_remove(unknown, '"event"');
	IF cardinality(unknown) > 0 THEN
		RAISE NOTICE USING
			MESSAGE = format('actions that are not in the dictionary: %s%s', array_to_string(unknown[1:20], ', '),
				CASE WHEN cardinality(unknown) > 20 THEN format(' and %s more', cardinality(unknown) - 20) ELSE '' END),
			DETAIL = 'They are taken as preference 1, spread 0 and no satisfaction.',
			HINT = format('Edit table %I.action to weigh them differently.', schema_name);
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.add_actions(name, text[], double precision[], double precision[]) IS
'Adds actions to a model''s table "action", with the weights of the dictionary; those that are there stay as they are. A NOTICE names those that the dictionary does not know.';

CREATE FUNCTION commrec.look_at_events(schema_name name, search_path text)
RETURNS TABLE (property text, value text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- Beyond it, what only this report would need is not counted.
	large CONSTANT bigint := 1000000;
	config record;
	estimate bigint := commrec.estimate_events(schema_name, search_path);
	tally record;
	ids record;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	IF estimate > large AND config.action_column IS NULL AND config.value_column IS NULL THEN
		PERFORM commrec.add_actions(schema_name, '{event}', '{NULL}', '{NULL}');
		RETURN QUERY VALUES ('rows', format('about %s, not counted here', estimate));
		RETURN;
	END IF;
	tally := commrec.count_actions(schema_name, search_path);
	PERFORM commrec.add_actions(schema_name,
		coalesce(tally.actions, CASE WHEN config.action_column IS NOT NULL THEN NULL
			WHEN config.value_column IS NULL THEN '{event}' ELSE '{rating}' END::text[]), tally.lows, tally.highs);
	RETURN QUERY VALUES ('rows', tally.total::text);
	IF tally.total <= large THEN
		ids := commrec.count_ids(schema_name, search_path);
		RETURN QUERY VALUES ('users', ids.users::text), ('items', ids.items::text);
	END IF;
	IF tally.first IS NOT NULL THEN
		RETURN QUERY VALUES ('times', format('%s .. %s', tally.first, tally.last));
	END IF;
	RETURN QUERY
	SELECT 'actions', string_agg(format(CASE WHEN a.action ~ '^\w+$' THEN '%s %s' ELSE '"%s" %s' END, a.action, a.events), ', '
			ORDER BY a.events DESC, a.action COLLATE "C")
		|| CASE WHEN cardinality(tally.actions) > 20 THEN format(' and %s more', cardinality(tally.actions) - 20) ELSE '' END
	FROM (SELECT u.action, u.events FROM unnest(tally.actions, tally.events) AS u (action, events)
		  ORDER BY u.events DESC, u.action COLLATE "C" LIMIT 20) AS a
	HAVING count(*) > 0;
END
$$;
COMMENT ON FUNCTION commrec.look_at_events(name, text) IS
'Reads the events of a model, adds the actions that occur to its table "action", and reports what was found. Users and items are counted where there are at most a million events.';

CREATE FUNCTION commrec.describe_model(schema_name name) RETURNS TABLE (property text, value text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	RETURN QUERY
	SELECT p.property, p.value FROM (VALUES
		(1, 'model', config.model),
		(2, 'schema', format('%I', schema_name)),
		(3, 'events', coalesce(commrec.relation_name(commrec.find_source(schema_name)), config.events || ' (missing)')),
		(4, 'user', format('%I, stored as %s', config.user_column, config.user_type)),
		(5, 'item', format('%I, stored as %s', config.item_column, config.item_type)),
		(6, 'action', coalesce(quote_ident(config.action_column), 'none: all events are one action')),
		(7, 'time', coalesce(quote_ident(config.time_column) || ', in buckets of ' || config.bucket,
			'none: no knowledge spread and no satisfaction')),
		(8, 'value', coalesce(quote_ident(config.value_column), 'none')),
		(9, 'algorithm', config.algorithm),
		(10, 'hyperparameters', config.hyperparameters::text),
		(11, 'fresh', CASE WHEN config.fresh THEN 'events since the training are folded in' END)) AS p (place, property, value)
	WHERE p.place < 11 OR p.value IS NOT NULL
	ORDER BY p.place;
END
$$;
COMMENT ON FUNCTION commrec.describe_model(name) IS
'Configuration of a model, readably.';

CREATE FUNCTION commrec.describe_next(schema_name name) RETURNS TABLE (property text, value text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	IF row_security_active(commrec.find_source(schema_name)) THEN
		RETURN QUERY VALUES ('row security',
			'active for you on the events: training needs allow_row_security => true');
	END IF;
	RETURN QUERY VALUES
		('next', format('look at the weights: TABLE %I.action', schema_name)),
		('next', format('train: SELECT * FROM commrec.train(%L)', config.model));
END
$$;
COMMENT ON FUNCTION commrec.describe_next(name) IS
'What to do next with a new or changed model.';

CREATE FUNCTION commrec.create_model(model text, events regclass, user_column name DEFAULT 'user_id',
	item_column name DEFAULT 'item_id', action_column name DEFAULT NULL, time_column name DEFAULT NULL,
	value_column name DEFAULT NULL, algorithm text DEFAULT 'ials', hyperparameters jsonb DEFAULT '{}',
	bucket interval DEFAULT '1 day', in_schema name DEFAULT NULL,
	search_path text DEFAULT pg_catalog.current_setting('search_path'))
RETURNS TABLE (property text, value text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20 COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	given jsonb := coalesce(hyperparameters, '{}');
	types record;
BEGIN
	PERFORM commrec.check_model_name(model);
	types := commrec.check_source(events, user_column, item_column, nullif(action_column, ''),
		nullif(time_column, ''), nullif(value_column, ''));
	PERFORM commrec.check_hyperparameters(algorithm, given);
	IF bucket IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'bucket must not be null',
			HINT = 'Leave it out for buckets of one day.';
	END IF;
	PERFORM commrec.bucket_start(now(), bucket);

	schema_name := commrec.prepare_schema(model, in_schema);
	PERFORM commrec.create_tables(schema_name, types.user_type, types.item_type);
	PERFORM commrec.comment_tables(schema_name);
	EXECUTE format('INSERT INTO %1$I.commrec_model (model, format, events, events_oid, model_oid, user_column, '
		'item_column, action_column, time_column, value_column, user_type, item_type, algorithm, hyperparameters, bucket) '
		'VALUES ($1, 1, $2, $3, %2$L::regclass::oid, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
		schema_name, format('%I.commrec_model', schema_name))
	USING model, commrec.relation_name(events), events::oid, user_column, item_column, nullif(action_column, ''),
		nullif(time_column, ''), nullif(value_column, ''), types.user_type, types.item_type, algorithm,
		jsonb_strip_nulls(given), bucket;
	PERFORM commrec.create_functions(schema_name);

	RETURN QUERY SELECT d.property, d.value FROM commrec.describe_model(schema_name) AS d;
	RETURN QUERY SELECT l.property, l.value FROM commrec.look_at_events(schema_name, search_path) AS l;
	RETURN QUERY SELECT n.property, n.value FROM commrec.describe_next(schema_name) AS n;
END
$$;
COMMENT ON FUNCTION commrec.create_model(text, regclass, name, name, name, name, name, text, jsonb, interval, name, text) IS
'Makes a model over an events relation, in a schema of its own that the caller owns, and reports what was found. events: a table or view that the caller may SELECT from. user_column, item_column: smallint, integer, bigint, uuid, text, varchar or a domain over one. action_column: text or an enumeration. time_column: timestamptz, or timestamp or date, which are read as UTC. value_column: a number. NULL or '''': none. bucket: the width of a time t, at least a second, without months. in_schema: an empty schema of yours, where the model''s name is taken. search_path is in force while the events are read; leave it out. NULL model, events, user or item column, algorithm or bucket: 22004; name too long: 42622, empty: 42602, taken: 42710; schema not empty or not yours: 42P06; no such column: 42703; wrong type: 42804; not a table or view: 42809; no SELECT: 42501; wrong hyperparameters or bucket: 22023. Who has EXECUTE on all routines of schema commrec and CREATE on the database may call it.';

CREATE FUNCTION commrec.find_source(schema_name name) RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
	source oid;
BEGIN
	EXECUTE format('SELECT m.events, m.events_oid, m.model_oid, m.tableoid FROM ONLY %I.commrec_model AS m', schema_name)
	INTO STRICT config;
	IF config.model_oid = config.tableoid THEN
		SELECT c.oid INTO source FROM pg_class AS c WHERE c.oid = config.events_oid;
	END IF;
	IF source IS NULL THEN
		SELECT c.oid INTO source
		FROM parse_ident(config.events) AS p (parts), pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE cardinality(p.parts) = 2 AND n.nspname = p.parts[1] AND c.relname = p.parts[2];
	END IF;
	RETURN source;
END
$$;
COMMENT ON FUNCTION commrec.find_source(name) IS
'The events relation of a model: by oid, unless the model was restored, else by name. NULL if it is gone.';

CREATE FUNCTION commrec.merge_hyperparameters(algorithm text, stored jsonb, given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF given IS NULL THEN
		PERFORM commrec.check_hyperparameters(algorithm, stored);
		RETURN stored;
	END IF;
	IF jsonb_typeof(given) = 'object' THEN
		-- What is stored may be removed even if the algorithm does not know it.
		PERFORM commrec.check_hyperparameters(algorithm, given - coalesce(
			(SELECT array_agg(e.key) FROM jsonb_each(given) AS e WHERE e.value = 'null' AND stored ? e.key), '{}'));
		PERFORM commrec.check_hyperparameters(algorithm, jsonb_strip_nulls(stored || given));
	ELSE
		PERFORM commrec.check_hyperparameters(algorithm, given);
	END IF;
	RETURN jsonb_strip_nulls(stored || given);
END
$$;
COMMENT ON FUNCTION commrec.merge_hyperparameters(text, jsonb, jsonb) IS
'Hyperparameters given over those stored; a JSON null removes one. What is wrong: 22023.';

CREATE FUNCTION commrec.rename_model(schema_name name, model text, rename_to text) RETURNS name
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new_schema name := schema_name;
BEGIN
	IF rename_to = model THEN
		RETURN schema_name;
	END IF;
	PERFORM commrec.check_model_name(rename_to);
	IF rename_to <> schema_name THEN
		PERFORM commrec.check_model_free(rename_to);
	END IF;
	IF schema_name = model THEN
		new_schema := rename_to;
		EXECUTE format('ALTER SCHEMA %I RENAME TO %I', schema_name, new_schema);
	END IF;
	EXECUTE format('UPDATE %I.commrec_model SET model = $1', new_schema) USING rename_to;
	RETURN new_schema;
END
$$;
COMMENT ON FUNCTION commrec.rename_model(name, text, text) IS
'Gives a model another name, and its schema too if that bears the old one. Returns the schema''s name; the typed functions must be made anew.';

CREATE FUNCTION commrec.alter_source(schema_name name, events oid, user_column name, item_column name,
	action_column name, time_column name, value_column name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
	source oid := coalesce(events, commrec.find_source(schema_name));
	types record;
BEGIN
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;
	IF source IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_table',
			MESSAGE = format('events relation %s of model "%s" does not exist', config.events, config.model),
			HINT = 'Name another one with events => ....';
	END IF;
	user_column := coalesce(user_column, config.user_column);
	item_column := coalesce(item_column, config.item_column);
	action_column := nullif(coalesce(action_column, config.action_column), '');
	time_column := nullif(coalesce(time_column, config.time_column), '');
	value_column := nullif(coalesce(value_column, config.value_column), '');
	types := commrec.check_source(source, user_column, item_column, action_column, time_column, value_column);
	IF types.user_type <> config.user_type OR types.item_type <> config.item_type THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
			MESSAGE = CASE WHEN types.user_type <> config.user_type
				THEN format('users of model "%s" have type %s, not %s', config.model, config.user_type, types.user_type)
				ELSE format('items of model "%s" have type %s, not %s', config.model, config.item_type, types.item_type) END,
			HINT = 'Cast the column in a view, or create another model.';
	END IF;
	EXECUTE format('UPDATE %1$I.commrec_model SET events = $1, events_oid = $2, model_oid = tableoid, '
		'user_column = $3, item_column = $4, action_column = $5, time_column = $6, value_column = $7', schema_name)
	USING commrec.relation_name(source), source, user_column, item_column, action_column, time_column, value_column;
END
$$;
COMMENT ON FUNCTION commrec.alter_source(name, oid, name, name, name, name, name) IS
'Changes what a model reads; NULL stays as it is, '''' for action, time or value: none. Errors as in create_model; ids of another type: 42804.';

CREATE FUNCTION commrec.alter_model(model text, hyperparameters jsonb DEFAULT NULL, algorithm text DEFAULT NULL,
	bucket interval DEFAULT NULL, events regclass DEFAULT NULL, user_column name DEFAULT NULL,
	item_column name DEFAULT NULL, action_column name DEFAULT NULL, time_column name DEFAULT NULL,
	value_column name DEFAULT NULL, rename_to text DEFAULT NULL, fresh boolean DEFAULT NULL,
	search_path text DEFAULT pg_catalog.current_setting('search_path'))
RETURNS TABLE (property text, value text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20 COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	config record;
	reads_anew boolean := num_nonnulls(events, user_column, item_column, action_column, time_column, value_column) > 0;
BEGIN
	PERFORM commrec.require_owner(model);
	PERFORM commrec.lock_model(model);
	-- Asked again: while this waited, the model may have been dropped.
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.require_owner(model);
	EXECUTE format('SELECT * FROM %I.commrec_model', schema_name) INTO STRICT config;

	IF reads_anew THEN
		PERFORM commrec.alter_source(schema_name, events, user_column, item_column, action_column, time_column, value_column);
	END IF;
	IF bucket IS NOT NULL THEN
		PERFORM commrec.bucket_start(now(), bucket);
	END IF;
	EXECUTE format('UPDATE %I.commrec_model SET algorithm = $1, hyperparameters = $2, bucket = $3, fresh = $4', schema_name)
	USING coalesce(algorithm, config.algorithm),
		commrec.merge_hyperparameters(coalesce(algorithm, config.algorithm), config.hyperparameters, hyperparameters),
		coalesce(bucket, config.bucket), coalesce(fresh, config.fresh);
	IF rename_to IS NOT NULL THEN
		schema_name := commrec.rename_model(schema_name, config.model, rename_to);
	END IF;
	PERFORM commrec.create_functions(schema_name);

	RETURN QUERY SELECT d.property, d.value FROM commrec.describe_model(schema_name) AS d;
	IF reads_anew THEN
		RETURN QUERY SELECT l.property, l.value FROM commrec.look_at_events(schema_name, search_path) AS l;
	END IF;
	RETURN QUERY SELECT n.property, n.value FROM commrec.describe_next(schema_name) AS n;
END
$$;
COMMENT ON FUNCTION commrec.alter_model(text, jsonb, text, interval, regclass, name, name, name, name, name, text, boolean, text) IS
'Changes a model, of which the caller must be owner (42501), and waits for a training of it to end. NULL leaves as it is. hyperparameters are laid over those stored; a JSON null removes one. '''' as action_column, time_column or value_column: none. Actions that are new in the events are added. Ids must keep their type (42804). rename_to renames the model, and its schema if that bears the model''s name. fresh: whether recommend() folds in events since the training unless it is told; this shows at once, everything else after the next training. The model''s functions are made anew where they were lost, as after DROP EXTENSION. Other errors as in create_model; NULL model: 22004; unknown: 42704.';

CREATE FUNCTION commrec.drop_model(model text, cascade boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	namespace oid;
	behaviour text := CASE WHEN cascade THEN 'CASCADE' ELSE 'RESTRICT' END;
	functions text;
	tables text;
BEGIN
	PERFORM commrec.require_owner(model);
	PERFORM commrec.lock_model(model);
	-- Asked again: while this waited, somebody else may have dropped it.
	namespace := commrec.require_owner(model);
	SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) INTO functions
	FROM pg_proc AS p
	WHERE p.pronamespace = namespace
		AND p.proname IN ('recommend', 'recommend_all', 'similar_items', 'score', 'explain', 'similar_users', 'popular', 'knowledge_spread',
			'satisfaction', 'satisfaction_detail')
		AND EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
					WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
					AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x' AND e.extname = 'commrec');
	SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid) INTO STRICT tables
	FROM pg_class AS c
	WHERE c.relnamespace = namespace AND c.relkind = 'r'
		AND c.relname IN ('commrec_model', 'action', 'version', 'epoch', 'user_embedding', 'item_embedding',
			'fold_in', 'trending', 'item_block', 'item_neighbor', 'item_filter', 'item_filter_member', 'item_filter_piece', 'item_spread', 'spread_factor',
			'user_activity', 'item_activity', 'evaluation', 'metric', 'trial', 'knowledge', 'job', 'forgotten', 'forget_key');
	IF functions IS NOT NULL THEN
		EXECUTE format('DROP FUNCTION %s %s', functions, behaviour);
	END IF;
	EXECUTE format('DROP TABLE %s %s', tables, behaviour);
	-- The schema goes with its last object, if it is the caller's and not the one that every database has.
	EXECUTE coalesce((
		SELECT format('DROP SCHEMA %I RESTRICT', n.nspname)
		FROM pg_namespace AS n
		WHERE n.oid = namespace AND n.nspname <> 'public' AND pg_has_role(n.nspowner, 'USAGE')
			AND NOT EXISTS (SELECT FROM pg_depend AS d
							WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.deptype = 'n')),
		'SELECT');
END
$$;
COMMENT ON FUNCTION commrec.drop_model(text, boolean) IS
'Drops a model''s tables and functions, of which the caller must be owner (42501), and its schema if nothing else is in it. Waits for a training of the model to end. Objects that depend on them: 2BP01, unless cascade is true: then they are dropped, too. NULL model: 22004; unknown: 42704.';

-- ---------------------------------------------------------------------------
-- 6  Training and versions
-- ---------------------------------------------------------------------------

CREATE TYPE commrec.deployment AS ENUM ('never', 'always', 'if_better');
COMMENT ON TYPE commrec.deployment IS
'Does a new version serve? true stands for always, false for never.';

CREATE FUNCTION commrec.deployment(deploys boolean) RETURNS commrec.deployment
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN deploys THEN 'always' ELSE 'never' END::commrec.deployment $$;
COMMENT ON FUNCTION commrec.deployment(boolean) IS
'"always" for true, "never" for false: a cast, so that deploy => false can be written.';
CREATE CAST (boolean AS commrec.deployment) WITH FUNCTION commrec.deployment(boolean) AS IMPLICIT;

CREATE FUNCTION commrec.train(model text, hyperparameters jsonb DEFAULT NULL, workers integer DEFAULT NULL,
	deploy commrec.deployment DEFAULT 'always', verbose boolean DEFAULT false, strict boolean DEFAULT false,
	allow_row_security boolean DEFAULT false)
RETURNS TABLE (version integer, trained_at timestamptz, algorithm text, hyperparameters jsonb, events bigint,
	users bigint, items bigint, pairs bigint, skipped jsonb, events_until timestamptz, seconds double precision,
	workers integer, memory_planned bigint, row_security boolean, metrics jsonb, dims integer, factors integer, deployed boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 COST 1000000
AS 'MODULE_PATHNAME', 'commrec_train';
COMMENT ON FUNCTION commrec.train(text, jsonb, integer, commrec.deployment, boolean, boolean, boolean) IS
'Trains a model, of which the caller must be owner (42501), and returns the new row of its table "version". The events are read as the caller. hyperparameters: over those of the model, for this run. workers: parallel workers at most; NULL: max_parallel_maintenance_workers; the result does not depend on it. deploy: serve the new version at once: "always" or true, "never" or false, or "if_better": unless the version that serves does better, which is found out on held-out events (the newest tenth by time, without times a tenth of the pairs), on which both sets of hyperparameters are trained and judged by nDCG@10 for the same users; a NOTICE and metrics -> ''comparison'' say how it went. verbose: a line per epoch, and what each phase cost. strict: a value that is NaN or infinite is an error (22023) and not just skipped. allow_row_security: train on what row security lets through (else 55000). No usable events, or no convergence: 55000; being trained: 55006; too large for commrec.max_train_memory: 54000; events missing: 42P01; column missing: 42703, of another type: 42804; read-only transaction: 25006; cancelled: 57014; NULL model: 22004; unknown: 42704. After any error the deployed version goes on serving. Algorithm "ials": Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, 2021.';

CREATE FUNCTION commrec.deploy(model text, version integer) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000
AS 'MODULE_PATHNAME', 'commrec_deploy';
COMMENT ON FUNCTION commrec.deploy(text, integer) IS
'Makes a version of the model serve; waits for a training of it to end. The caller must be owner (42501). NULL: 22004; unknown model or version: 42704; its data are gone: 55000; read-only transaction: 25006.';

CREATE FUNCTION commrec.rollback(model text) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	earlier integer;
BEGIN
	PERFORM commrec.require_owner(model);
	PERFORM commrec.lock_model(model);
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.require_owner(model);
	EXECUTE format('SELECT max(v.version) FROM %1$I.version AS v '
		'WHERE v.version < (SELECT d.version FROM %1$I.version AS d WHERE d.deployed) '
		'AND EXISTS (SELECT FROM %1$I.item_embedding AS e WHERE e.version = v.version)', schema_name)
	INTO earlier;
	IF earlier IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('model "%s" has no earlier version to go back to', model),
			HINT = format('The table %I.version lists its versions; commrec.keep_versions says how many keep their data.', schema_name);
	END IF;
	PERFORM commrec.deploy(model, earlier);
	RETURN earlier;
END
$$;
COMMENT ON FUNCTION commrec.rollback(text) IS
'Makes the newest version before the deployed one serve whose data are still there, and returns its number. The caller must be owner (42501). None: 55000; NULL model: 22004; unknown: 42704; read-only transaction: 25006.';

CREATE PROCEDURE commrec.refresh(model text, mode text DEFAULT 'auto', if_running text DEFAULT 'skip',
	hyperparameters jsonb DEFAULT NULL, deploy commrec.deployment DEFAULT 'always', keep integer DEFAULT NULL,
	retrain_share double precision DEFAULT 0.1, retrain_after interval DEFAULT '7 days',
	allow_row_security boolean DEFAULT false)
LANGUAGE c
AS 'MODULE_PATHNAME', 'commrec_refresh';
COMMENT ON PROCEDURE commrec.refresh(text, text, text, jsonb, commrec.deployment, integer, double precision, interval, boolean) IS
'Brings a model up to date, for a schedule: CALL commrec.refresh(''courses''). mode "retrain": as commrec.train(). "fold_in": users with events since those that the deployed version has are solved anew, exactly, against its items; new items get vectors by a half step over its users; knowledge spread and satisfaction take the new events in; readers see the version as it was or as it is then. "auto" (also NULL) trains if no version is deployed, if algorithm, hyperparameters, bucket or weights of actions have changed, if the events that are new since the training are more than retrain_share of those trained on or the items more than that share of its items, if the version is older than retrain_after, or if preferences have aged by their half-life; it does nothing if there are no new events, and otherwise folds in. Where a version cannot take in new events (no time column, no event with a time, or events of the future in the training) they wait; where users cannot be solved again (algorithms other than "ials", or nothing learned) new events count as seen, and those about new items wait. if_running: what to do while another session trains or refreshes the model: "skip" or "error" (55006). hyperparameters, deploy, allow_row_security: as in commrec.train(). keep: versions that keep their data (NULL: commrec.keep_versions). A NULL retrain_share or retrain_after is no limit. Every run is a row of the model''s table "job" (view commrec.job) with what was decided, why, outcome and error; it is committed when the run begins and when it ends, so that an error, which is raised as well, leaves it behind. In a transaction block there are no commits, and all of it, the row too, is part of that transaction. The caller must be owner (42501). Unknown mode or if_running, negative share or interval, keep outside 1 .. 1000: 22023; mode "fold_in" where it cannot be done, or nothing is trained: 55000; model NULL: 22004, unknown: 42704; read-only transaction: 25006; other errors as in commrec.train(). Hu, Koren & Volinsky, Collaborative filtering for implicit feedback datasets, 2008.';

-- ---------------------------------------------------------------------------
-- 7  Reading what was learned
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.read_satisfaction(model text, user_id text, id_type regtype)
RETURNS TABLE (bucket timestamptz, satisfaction double precision, signals bigint, interactions bigint,
	mean double precision, source text)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 30 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	stored text;
	origin text;
BEGIN
	IF user_id IS NULL THEN
		RETURN;
	END IF;
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model);
	-- Checks what commrec.satisfaction() checks: is it trained, can the id be one of its users?
	EXECUTE format('SELECT commrec.satisfaction($1::%s, $2)', id_type) USING user_id, schema_name::text;
	SELECT CASE WHEN t.typname IN ('int2', 'int4', 'int8') THEN 'int8' ELSE t.typname END INTO stored
	FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
	WHERE a.attrelid = format('%I.user_activity', schema_name)::regclass AND a.attname = 'user_id';
	IF has_table_privilege(format('%I.action', schema_name), 'SELECT') THEN
		EXECUTE format('SELECT string_agg(CASE WHEN a.value_low IS NULL THEN format(''%%s %%s'', a.action, a.satisfaction) '
			'ELSE format(''%%s from its value, %%s .. %%s'', a.action, a.value_low, a.value_high) END, '', '' ORDER BY a.action) '
			'FROM ONLY %I.action AS a WHERE a.satisfaction IS NOT NULL OR a.value_low IS NOT NULL', schema_name)
		INTO origin;
	END IF;
	RETURN QUERY EXECUTE format('SELECT a.bucket, a.satisfaction, a.signals, a.interactions, avg(a.satisfaction) OVER '
		'(ORDER BY a.bucket ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), $2 '
		'FROM ONLY %I.user_activity AS a WHERE a.user_id = $1::%s ORDER BY a.bucket', schema_name, stored)
	USING user_id, origin;
END
$$;
COMMENT ON FUNCTION commrec.read_satisfaction(text, text, regtype) IS
'What commrec.satisfaction_detail() does, with the id as text and the type in which it was given.';

CREATE FUNCTION commrec.satisfaction_detail(user_id bigint, model text DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, satisfaction double precision, signals bigint, interactions bigint,
	mean double precision, source text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.* FROM commrec.read_satisfaction($2, $1::text, 'bigint') AS r $$;

CREATE FUNCTION commrec.satisfaction_detail(user_id uuid, model text DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, satisfaction double precision, signals bigint, interactions bigint,
	mean double precision, source text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.* FROM commrec.read_satisfaction($2, $1::text, 'uuid') AS r $$;

CREATE FUNCTION commrec.satisfaction_detail(user_id text, model text DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, satisfaction double precision, signals bigint, interactions bigint,
	mean double precision, source text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 30 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.* FROM commrec.read_satisfaction($2, $1, 'text') AS r $$;

COMMENT ON FUNCTION commrec.satisfaction_detail(bigint, text) IS
'Satisfaction of a user, one row for each bucket with events: s(t,i) (0 to 1; NULL: no signal), how many signals it is the mean of, how many events there were; and in every row the mean over the user''s buckets with a signal, and which actions of the model give signals and what they say, as the table "action" has it now (NULL without SELECT on it). No rows for a NULL or unknown user. The caller needs SELECT on the model''s table user_activity (42501), which commrec.satisfaction() does not ask for. Other errors as there.';
COMMENT ON FUNCTION commrec.satisfaction_detail(uuid, text) IS
'The same as commrec.satisfaction_detail(bigint, text), for models whose users have uuids.';
COMMENT ON FUNCTION commrec.satisfaction_detail(text, text) IS
'The same as commrec.satisfaction_detail(bigint, text), for every model: the user is given as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.check_objective(since timestamptz, until timestamptz, lambda double precision,
	min_satisfaction double precision, formula text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT isfinite(since) OR NOT isfinite(until) THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow',
			MESSAGE = 'since and until must be finite',
			HINT = 'Leave them out for all of the time.';
	ELSIF lambda IN ('NaN', 'Infinity', '-Infinity') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('lambda must be a finite number, not %s', lambda),
			HINT = 'It says what one unit of satisfaction is worth in units of spread; the default is 1.';
	ELSIF min_satisfaction = 'NaN' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'min_satisfaction must be a number, not NaN',
			HINT = 'Leave it out to have nobody compared with it.';
	ELSIF formula NOT IN ('reward', 'seed') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('unrecognized formula "%s"', formula),
			HINT = 'Use "reward" for K + lambda S, or "seed" for K - lambda S.';
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.check_objective(timestamptz, timestamptz, double precision, double precision, text) IS
'Checks the arguments of commrec.objective(): infinite time 22008, everything else 22023. NULLs pass.';

CREATE FUNCTION commrec.sum_activity(model text, since timestamptz, until timestamptz,
	min_satisfaction double precision, OUT spread double precision, OUT satisfaction double precision,
	OUT users bigint, OUT users_below bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	anybody text;
BEGIN
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model);
	-- knowledge_spread() of whomever tells whether the model is trained and has times: 55000.
	SELECT CASE t.typname WHEN 'uuid' THEN '00000000-0000-0000-0000-000000000000' WHEN 'text' THEN '' ELSE '0' END
	INTO anybody
	FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
	WHERE a.attrelid = format('%I.user_activity', schema_name)::regclass AND a.attname = 'user_id';
	PERFORM commrec.knowledge_spread(anybody, now(), schema_name::text);
	EXECUTE format($sql$
		SELECT coalesce(sum(u.spread ORDER BY u.user_id), 0), coalesce(sum(u.satisfaction ORDER BY u.user_id), 0), count(*),
			CASE WHEN $3 IS NOT NULL THEN count(*) FILTER (WHERE u.satisfaction < $3) END
		FROM (
			-- In order, so that the last bits do not depend on where the rows lie.
			SELECT a.user_id, sum(a.spread ORDER BY a.bucket) AS spread, sum(a.satisfaction ORDER BY a.bucket) AS satisfaction
			FROM ONLY %I.user_activity AS a
			WHERE ($1 IS NULL OR a.bucket >= $1) AND ($2 IS NULL OR a.bucket < $2)
			GROUP BY a.user_id) AS u
		$sql$, schema_name)
	INTO spread, satisfaction, users, users_below USING since, until, min_satisfaction;
END
$$;
COMMENT ON FUNCTION commrec.sum_activity(text, timestamptz, timestamptz, double precision) IS
'What commrec.objective() adds up.';

CREATE FUNCTION commrec.objective(model text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
	lambda double precision DEFAULT 1, min_satisfaction double precision DEFAULT NULL, formula text DEFAULT 'reward')
RETURNS TABLE (spread double precision, satisfaction double precision, value double precision, users bigint,
	users_below bigint, formula text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT commrec.check_objective($2, $3, $4, $5, $6);
	SELECT a.spread, a.satisfaction,
		a.spread + CASE coalesce($6, 'reward') WHEN 'seed' THEN -coalesce($4, 1) ELSE coalesce($4, 1) END * a.satisfaction,
		a.users, a.users_below, coalesce($6, 'reward')
	FROM commrec.sum_activity($1, $2, $3, $5) AS a
$$;
COMMENT ON FUNCTION commrec.objective(text, timestamptz, timestamptz, double precision, double precision, text) IS
'The objective of the community over the buckets that start at or after since and before until (NULL: open): spread is the sum of K(t,i), satisfaction the sum of S_i = sum of s(t,i), value is spread + lambda * satisfaction with the formula "reward", and spread - lambda * satisfaction, as the method was first written, with "seed". users: those with events in these buckets; users_below: those of them whose S_i is less than min_satisfaction (theta; NULL: not asked). Users without any signal have no S_i and are not counted as below. A NULL model is the default one, a NULL lambda 1, a NULL formula "reward". Unknown formula, lambda not finite, min_satisfaction NaN: 22023; infinite time: 22008; no time column or never trained: 55000; unknown model: 42704; no USAGE on its schema, or no SELECT on its table user_activity: 42501.';

-- ---------------------------------------------------------------------------
-- Filters: which items may be recommended
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.pack_items(piece integer, item_nos integer[]) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'commrec_pack_items';
COMMENT ON FUNCTION commrec.pack_items(integer, integer[]) IS
'Item numbers of one piece, 63488 to each, as the bits that filters are kept in. A NULL array: none of them. NULL piece: NULL; a number that belongs to another piece: 22023.';

CREATE FUNCTION commrec.pack_filter(schema_name name, filter text, only_version integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		DELETE FROM %1$I.item_filter_piece AS p WHERE p.filter = $1 AND p.version = coalesce($2, p.version)
	$sql$, schema_name) USING filter, only_version;
	EXECUTE format($sql$
		INSERT INTO %1$I.item_filter_piece (filter, version, piece, items)
		SELECT $1, v.version, p.piece, commrec.pack_items(p.piece, m.item_nos)
		FROM %1$I.version AS v
			CROSS JOIN LATERAL generate_series(0, ((greatest(v.items, 1) - 1) / 63488)::integer) AS p (piece)
			LEFT JOIN (
				SELECT e.version, e.item_no / 63488 AS piece, array_agg(e.item_no) AS item_nos
				FROM %1$I.item_filter_member AS f JOIN %1$I.item_embedding AS e ON e.item_id = f.item_id
				WHERE f.filter = $1
				GROUP BY 1, 2) AS m ON m.version = v.version AND m.piece = p.piece
		WHERE v.version = coalesce($2, v.version)
			AND EXISTS (SELECT FROM %1$I.item_embedding AS e WHERE e.version = v.version)
	$sql$, schema_name) USING filter, only_version;
END
$$;
COMMENT ON FUNCTION commrec.pack_filter(name, text, integer) IS
'Packs the members of a filter for serving, for one version or, with NULL, for all that have data.';

CREATE FUNCTION commrec.evaluate_filter(schema_name name, filter text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry record;
	source oid;
	item_type regtype;
	query text;
	probe refcursor;
	passing bigint;
BEGIN
	EXECUTE format('SELECT f.*, m.item_type FROM %1$I.item_filter AS f, %1$I.commrec_model AS m WHERE f.filter = $1', schema_name)
	INTO STRICT entry USING filter;
	-- By oid, so that a renamed relation is found, unless the model was restored elsewhere.
	SELECT c.oid INTO source FROM pg_class AS c
	WHERE c.oid = entry.items_oid AND entry.filter_oid = to_regclass(format('%I.item_filter', schema_name));
	source := coalesce(source, to_regclass(entry.items));
	IF source IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_table',
			MESSAGE = format('relation %s of filter "%s" does not exist', entry.items, filter),
			HINT = 'Drop the filter with commrec.drop_filter() and create it anew.';
	END IF;
	item_type := commrec.source_id_type(source, entry.item_column);
	IF item_type <> entry.item_type THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
			MESSAGE = format('column "%s" of %s has type %s, but items of the model have type %s', entry.item_column,
				commrec.relation_name(source), item_type, entry.item_type),
			HINT = 'Cast the column in a view and create the filter over the view.';
	END IF;
	-- The line break ends a comment that the predicate may end with.
	query := format(E'SELECT items.%I::pg_catalog.%I AS item_id FROM %s AS items WHERE (%s\n) AND items.%I IS NOT NULL',
		entry.item_column, (SELECT t.typname FROM pg_type AS t WHERE t.oid = item_type), commrec.relation_name(source),
		entry.predicate, entry.item_column);
	EXECUTE format('DELETE FROM %I.item_filter_member AS m WHERE m.filter = $1', schema_name) USING filter;

	PERFORM set_config('search_path', entry.search_path, true);
	-- A cursor takes one query only: a predicate cannot bring statements of its own.
	OPEN probe FOR EXECUTE query;
	CLOSE probe;
	EXECUTE pg_catalog.format('INSERT INTO %I.item_filter_member (filter, item_id) SELECT DISTINCT $1::pg_catalog.text, q.item_id '
		'FROM (%s) AS q ON CONFLICT DO NOTHING', schema_name, query)
	USING filter;
	GET DIAGNOSTICS passing = ROW_COUNT;
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

	EXECUTE format('UPDATE %I.item_filter AS f SET refreshed_at = now(), items = $2, items_oid = $3, filter_oid = f.tableoid '
		'WHERE f.filter = $1', schema_name) USING filter, commrec.relation_name(source), source;
	RETURN passing;
END
$$;
COMMENT ON FUNCTION commrec.evaluate_filter(name, text) IS
'Evaluates the predicate of a filter as the caller, under the search_path that it was created with, and keeps the items that pass; returns their number. An error of the predicate is raised as it is.';

CREATE FUNCTION commrec.require_filter(schema_name name, model text, filter text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_known boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.item_filter AS f WHERE f.filter = $1)', schema_name)
	INTO is_known USING filter;
	IF filter IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'filter must not be null',
			HINT = 'Give the name of a filter.';
	ELSIF NOT is_known THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('model "%s" has no filter "%s"', model, filter),
			HINT = format('SELECT * FROM commrec.filters(%L) lists those that there are.', model);
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.require_filter(name, text, text) IS
'Raises 42704 unless the model has a filter of this name, 22004 for NULL.';

CREATE FUNCTION commrec.filter_column(schema_name name, items oid, item_column name) RETURNS name
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_column name := item_column;
BEGIN
	IF found_column IS NULL THEN
		EXECUTE format('SELECT a.attname FROM %I.commrec_model AS m JOIN pg_attribute AS a ON a.attname = m.item_column '
			'WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped', schema_name)
		INTO found_column USING items;
	END IF;
	IF found_column IS NULL THEN
		SELECT a.attname INTO found_column
		FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		WHERE i.indrelid = items AND i.indisprimary AND i.indnkeyatts = 1;
	END IF;
	IF found_column IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('it is not clear which column of %s holds the ids of items', commrec.relation_name(items)),
			HINT = 'Name it with item_column => ....';
	END IF;
	RETURN found_column;
END
$$;
COMMENT ON FUNCTION commrec.filter_column(name, oid, name) IS
'The column of item ids: the one given, else the one called as in the events, else the primary key; otherwise 42703.';

CREATE FUNCTION commrec.create_filter(model text, filter text, items regclass, predicate text,
	item_column name DEFAULT NULL, search_path text DEFAULT pg_catalog.current_setting('search_path'))
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	passing bigint;
BEGIN
	PERFORM commrec.require_owner(model);
	PERFORM commrec.lock_model(model);
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.require_owner(model);
	IF num_nulls(filter, items, predicate) > 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = format('%s must not be null', CASE WHEN filter IS NULL THEN 'filter'
				WHEN items IS NULL THEN 'items' ELSE 'predicate' END),
			HINT = 'A filter has a name, a table or view of items, and a condition over its columns.';
	ELSIF octet_length(filter) NOT BETWEEN 1 AND 1024 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'the name of a filter must have between 1 and 1024 bytes',
			HINT = 'Choose a name such as published.';
	ELSIF commrec.relation_name(items) IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_table',
			MESSAGE = format('relation %s does not exist', items::oid), HINT = 'Give the name of a table or view.';
	END IF;
	BEGIN
		EXECUTE format('INSERT INTO %I.item_filter VALUES ($1, $2, $3, %L::regclass, $4, $5, $6, now())',
			schema_name, format('%I.item_filter', schema_name))
		USING filter, commrec.relation_name(items), items::oid,
			commrec.filter_column(schema_name, items, item_column), predicate, coalesce(search_path, '');
	EXCEPTION WHEN unique_violation THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = format('model "%s" has a filter "%s" already', model, filter),
			HINT = 'Drop it with commrec.drop_filter(), or choose another name.';
	END;
	passing := commrec.evaluate_filter(schema_name, filter);
	PERFORM commrec.pack_filter(schema_name, filter, NULL);
	RETURN passing;
END
$$;
COMMENT ON FUNCTION commrec.create_filter(text, text, regclass, text, name, text) IS
'Makes a filter for recommend(filter => ...): the items for which the predicate, an SQL condition over the columns of a table or view of items (alias items), is true. Returns how many pass. item_column: where the item''s id is; NULL: the column called as in the events, else the primary key. The predicate is evaluated now, by commrec.refresh_filter() and by every training, as who calls, under the search_path given here; recommend() sees the result of the last time. Caller must be owner of the model (42501). NULL model, filter, items or predicate: 22004; unknown model: 42704; filter exists: 42710; empty or long name: 22023; no such column: 42703; ids of another type: 42804; more than one query in the predicate: 42P11; what the predicate raises is raised.';

CREATE FUNCTION commrec.refresh_filter(model text, filter text DEFAULT NULL)
RETURNS TABLE (refreshed text, items bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10 COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
BEGIN
	PERFORM commrec.require_owner(model);
	PERFORM commrec.lock_model(model);
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.require_owner(model);
	IF filter IS NOT NULL THEN
		PERFORM commrec.require_filter(schema_name, model, filter);
	END IF;
	FOR refreshed IN EXECUTE format('SELECT f.filter FROM %I.item_filter AS f WHERE f.filter = coalesce($1, f.filter) ORDER BY 1',
		schema_name) USING filter
	LOOP
		items := commrec.evaluate_filter(schema_name, refreshed);
		PERFORM commrec.pack_filter(schema_name, refreshed, NULL);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.refresh_filter(text, text) IS
'Evaluates the predicate of a filter anew, or of all filters of the model (NULL), as the caller, who must be owner of the model (42501); waits for a training of it to end. Returns how many items pass each. Unknown model or filter: 42704; NULL model: 22004; what the predicate raises is raised.';

CREATE FUNCTION commrec.drop_filter(model text, filter text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	relation text;
BEGIN
	PERFORM commrec.require_owner(model);
	PERFORM commrec.lock_model(model);
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.require_owner(model);
	PERFORM commrec.require_filter(schema_name, model, filter);
	FOREACH relation IN ARRAY '{item_filter_piece,item_filter_member,item_filter}'::text[] LOOP
		EXECUTE format('DELETE FROM %I.%I AS t WHERE t.filter = $1', schema_name, relation) USING filter;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.drop_filter(text, text) IS
'Drops a filter of a model, of which the caller must be owner (42501). Unknown model or filter: 42704; NULL model or filter: 22004.';

CREATE FUNCTION commrec.filters(model text DEFAULT NULL)
RETURNS TABLE (filter text, source text, item_column name, predicate text, items bigint, refreshed_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name := (SELECT n.nspname FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model));
BEGIN
	IF NOT coalesce(has_table_privilege(to_regclass(format('%I.item_filter', schema_name)), 'SELECT')
		AND has_table_privilege(to_regclass(format('%I.item_filter_member', schema_name)), 'SELECT'), true) THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for the filters of model "%s"', schema_name),
			HINT = 'Ask its owner for SELECT on item_filter and item_filter_member.';
	END IF;
	IF NOT coalesce(commrec.is_as_made(to_regclass(format('%I.item_filter', schema_name)),
			'{filter text,items text,item_column name,predicate text,refreshed_at timestamp with time zone}')
		AND commrec.is_as_made(to_regclass(format('%I.item_filter_member', schema_name)), '{filter text}'), false) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the filters of model "%s" cannot be read', schema_name),
			HINT = 'The tables item_filter and item_filter_member must be as commrec made them.';
	END IF;
	RETURN QUERY EXECUTE format('SELECT f.filter, f.items, f.item_column, f.predicate, '
		'(SELECT count(*) FROM %1$I.item_filter_member AS m WHERE m.filter = f.filter), f.refreshed_at '
		'FROM %1$I.item_filter AS f ORDER BY f.filter', schema_name);
END
$$;
COMMENT ON FUNCTION commrec.filters(text) IS
'The filters of a model, with the number of items that passed when they were last evaluated. The caller needs SELECT on item_filter and item_filter_member in the model''s schema (42501), which must be as commrec made them (55000). Unknown model: 42704; no USAGE on its schema: 42501.';

CREATE FUNCTION commrec.publish_filters(schema_name name, version integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	filter text;
	passing bigint;
BEGIN
	FOR filter IN EXECUTE format('SELECT f.filter FROM %I.item_filter AS f ORDER BY 1', schema_name) LOOP
		BEGIN
			passing := commrec.evaluate_filter(schema_name, filter);
			PERFORM commrec.pack_filter(schema_name, filter, NULL);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING USING ERRCODE = SQLSTATE,
				MESSAGE = format('filter "%s" keeps the items that it had, because it cannot be evaluated: %s', filter, SQLERRM),
				HINT = 'Correct what it needs and call commrec.refresh_filter(), or drop it with commrec.drop_filter().';
			PERFORM commrec.pack_filter(schema_name, filter, version);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.publish_filters(name, integer) IS
'Evaluates all filters of a model for a version just published. One that fails keeps the items that it had, with a WARNING: a broken predicate must not stop a training.';

-- ---------------------------------------------------------------------------
-- Packed models: training inside a query
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.ials_accum(state bytea, user_id bigint, item_id bigint,
	preference double precision, hyperparameters jsonb) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 2
AS 'MODULE_PATHNAME', 'commrec_ials_accum';
CREATE FUNCTION commrec.ials_accum(state bytea, user_id text, item_id text,
	preference double precision, hyperparameters jsonb) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 2
AS 'MODULE_PATHNAME', 'commrec_ials_accum_text';
COMMENT ON FUNCTION commrec.ials_accum(bytea, bigint, bigint, double precision, jsonb) IS
'Support function of the aggregate commrec.ials(): adds a row. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.ials_accum(bytea, text, text, double precision, jsonb) IS
'Support function of the aggregate commrec.ials(): adds a row. Called directly: 0A000.';

CREATE FUNCTION commrec.ials_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_ials_combine';
CREATE FUNCTION commrec.ials_combine_text(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_ials_combine_text';
COMMENT ON FUNCTION commrec.ials_combine(bytea, bytea) IS
'Support function of the aggregate commrec.ials(bigint, bigint, ...): adds the rows of another state. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.ials_combine_text(bytea, bytea) IS
'Support function of the aggregate commrec.ials(text, text, ...): adds the rows of another state. Called directly: 0A000.';

-- The planner is told what a training costs, so that it spreads groups over workers where it can.
CREATE FUNCTION commrec.ials_final(state bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE COST 400000
AS 'MODULE_PATHNAME', 'commrec_ials_final';
CREATE FUNCTION commrec.ials_final_text(state bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE COST 400000
AS 'MODULE_PATHNAME', 'commrec_ials_final_text';
COMMENT ON FUNCTION commrec.ials_final(bytea) IS
'Support function of the aggregate commrec.ials(bigint, bigint, ...): trains.';
COMMENT ON FUNCTION commrec.ials_final_text(bytea) IS
'Support function of the aggregate commrec.ials(text, text, ...): trains.';

CREATE AGGREGATE commrec.ials(user_id bigint, item_id bigint, preference double precision, hyperparameters jsonb) (
	SFUNC = commrec.ials_accum, STYPE = pg_catalog.bytea, SSPACE = 65536,
	COMBINEFUNC = commrec.ials_combine, FINALFUNC = commrec.ials_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.ials(user_id text, item_id text, preference double precision, hyperparameters jsonb) (
	SFUNC = commrec.ials_accum, STYPE = pg_catalog.bytea, SSPACE = 65536,
	COMBINEFUNC = commrec.ials_combine_text, FINALFUNC = commrec.ials_final_text, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.ials(bigint, bigint, double precision, jsonb) IS
'Trains a model of the rows of a group and returns it as one value, for commrec.recommend_from(), similar_from() and model_info(). Preferences of one pair are added up; a negative sum is a dislike; rows with a NULL user, item or preference are left out; NULL if nothing remains. hyperparameters are those of commrec.train(), one value a group, NULL for the defaults; without times nothing ages, and popularity_weight is 0 unless given. The result depends neither on the order of the rows nor on how they are spread over workers. NaN or infinity, wrong or differing hyperparameters: 22023; a sum out of range: 22003; more memory than commrec.max_train_memory, or a model beyond 1 GB: 54000; not converging: 55000. Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, 2021.';
COMMENT ON AGGREGATE commrec.ials(text, text, double precision, jsonb) IS
'The same as commrec.ials(bigint, bigint, double precision, jsonb), for text ids, which are compared byte by byte. An id beyond 1 kB: 54000.';

CREATE FUNCTION commrec.recommend_from(model bytea, user_id bigint, k integer DEFAULT 10, exclude_seen boolean DEFAULT true)
RETURNS TABLE(rank integer, item_id bigint, score real, source text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_recommend_from';
CREATE FUNCTION commrec.recommend_from(model bytea, user_id text, k integer DEFAULT 10, exclude_seen boolean DEFAULT true)
RETURNS TABLE(rank integer, item_id text, score real, source text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_recommend_from';
COMMENT ON FUNCTION commrec.recommend_from(bytea, bigint, integer, boolean) IS
'The k best items for a user by a model of the aggregate commrec.ials(), as commrec.recommend() gives them: by inner product (source "model"), or for users of whom nothing was learned by popularity (source "popular"); min(k, eligible items) rows, ties in a fixed order. Items already seen are left out unless exclude_seen is false; disliked ones always. No rows for a NULL model or user; a NULL k is 10. k below 1: 22023; a model with ids of another type: 42804; damaged: XX001; a newer format: 0A000.';
COMMENT ON FUNCTION commrec.recommend_from(bytea, text, integer, boolean) IS
'The same as commrec.recommend_from(bytea, bigint, integer, boolean), for every model: ids are given and returned as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.similar_from(model bytea, item_id bigint, k integer DEFAULT 10)
RETURNS TABLE(rank integer, item_id bigint, similarity real)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_similar_from';
CREATE FUNCTION commrec.similar_from(model bytea, item_id text, k integer DEFAULT 10)
RETURNS TABLE(rank integer, item_id text, similarity real)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10 COST 5000
AS 'MODULE_PATHNAME', 'commrec_similar_from';
COMMENT ON FUNCTION commrec.similar_from(bytea, bigint, integer) IS
'The k items nearest to an item by cosine (-1 to 1) in a model of the aggregate commrec.ials(), the item itself left out. No rows for a NULL model, a NULL or unknown item, or where nothing was learned; a NULL k is 10. k below 1: 22023; a model with ids of another type: 42804; damaged: XX001; a newer format: 0A000.';
COMMENT ON FUNCTION commrec.similar_from(bytea, text, integer) IS
'The same as commrec.similar_from(bytea, bigint, integer), for every model: ids are given and returned as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.model_info(model bytea) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'commrec_model_info';
COMMENT ON FUNCTION commrec.model_info(bytea) IS
'What a model of the aggregate commrec.ials() is: algorithm, hyperparameters as used, users, items, rows it was trained on, pairs learned from, factors (0: nothing could be learned), dims of its embeddings, epochs run, loss, id types and bytes. NULL for NULL. Damaged: XX001; a newer format: 0A000.';

-- ---------------------------------------------------------------------------
-- Parts of a training, for training in SQL: doc/distributed.md
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.collect_accum(state bytea, item_no integer, value double precision) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 2
AS 'MODULE_PATHNAME', 'commrec_collect_accum';
CREATE FUNCTION commrec.collect_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_collect_combine';
CREATE FUNCTION commrec.collect_final(state bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_collect_final';
COMMENT ON FUNCTION commrec.collect_accum(bytea, integer, double precision) IS
'Support function of the aggregate commrec.collect(): adds an entry. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.collect_combine(bytea, bytea) IS
'Support function of the aggregate commrec.collect(): adds the entries of another state. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.collect_final(bytea) IS
'Support function of the aggregate commrec.collect(): sorts the entries.';
CREATE AGGREGATE commrec.collect(item_no integer, value double precision) (
	SFUNC = commrec.collect_accum, STYPE = pg_catalog.bytea, SSPACE = 1024,
	COMBINEFUNC = commrec.collect_combine, FINALFUNC = commrec.collect_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.collect(integer, double precision) IS
'A sparse row as one value: item_no (from 0, without gaps) and value of each entry, for commrec.solve_row() and commrec.top_k(). Values of one item_no are added up; entries with a NULL are left out; NULL if nothing remains. The result does not depend on the order. Negative item_no, value NaN or infinite: 22023; a sum out of range: 22003; beyond commrec.max_train_memory or 1 GB: 54000.';

CREATE FUNCTION commrec.pack_csr_accum(state bytea, "row" integer, col integer, value double precision) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 2
AS 'MODULE_PATHNAME', 'commrec_pack_csr_accum';
CREATE FUNCTION commrec.pack_csr_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_pack_csr_combine';
CREATE FUNCTION commrec.pack_csr_final(state bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'commrec_pack_csr_final';
COMMENT ON FUNCTION commrec.pack_csr_accum(bytea, integer, integer, double precision) IS
'Support function of the aggregate commrec.pack_csr(): adds an entry. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.pack_csr_combine(bytea, bytea) IS
'Support function of the aggregate commrec.pack_csr(): adds the entries of another state. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.pack_csr_final(bytea) IS
'Support function of the aggregate commrec.pack_csr(): sorts the entries.';
CREATE AGGREGATE commrec.pack_csr("row" integer, col integer, value double precision) (
	SFUNC = commrec.pack_csr_accum, STYPE = pg_catalog.bytea, SSPACE = 65536,
	COMBINEFUNC = commrec.pack_csr_combine, FINALFUNC = commrec.pack_csr_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.pack_csr(integer, integer, double precision) IS
'A sparse matrix in compressed rows as one value, for commrec.solve_rows(): rows and columns are numbered from 0, and there are as many as the highest numbers say. Values of one place are added up; entries with a NULL are left out; NULL if nothing remains. The result does not depend on the order. Negative row or col, value NaN or infinite: 22023; a sum out of range: 22003; beyond commrec.max_train_memory or 1 GB: 54000.';

CREATE FUNCTION commrec.pack_factors_accum(state bytea, "row" integer, embedding bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'commrec_pack_factors_accum';
CREATE FUNCTION commrec.pack_factors_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_pack_factors_combine';
CREATE FUNCTION commrec.pack_factors_final(state bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'commrec_pack_factors_final';
COMMENT ON FUNCTION commrec.pack_factors_accum(bytea, integer, bytea) IS
'Support function of the aggregate commrec.pack_factors(): adds a row. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.pack_factors_combine(bytea, bytea) IS
'Support function of the aggregate commrec.pack_factors(): adds the rows of another state. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.pack_factors_final(bytea) IS
'Support function of the aggregate commrec.pack_factors(): brings the rows to their places.';
CREATE AGGREGATE commrec.pack_factors("row" integer, embedding bytea) (
	SFUNC = commrec.pack_factors_accum, STYPE = pg_catalog.bytea, SSPACE = 65536,
	COMBINEFUNC = commrec.pack_factors_combine, FINALFUNC = commrec.pack_factors_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.pack_factors(integer, bytea) IS
'Embeddings as one matrix, for commrec.solve_row(), solve_rows() and top_k(): rows are numbered from 0, and those not given are zero. Rows with a NULL are left out; NULL if nothing remains. Negative row, the same row twice, different dimensions: 22023; more than 512 dimensions, beyond commrec.max_train_memory or 1 GB: 54000; damaged embeddings: XX001.';

CREATE FUNCTION commrec.gram_accum(state bytea, embedding bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50
AS 'MODULE_PATHNAME', 'commrec_gram_accum';
CREATE FUNCTION commrec.gram_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_gram_combine';
CREATE FUNCTION commrec.gram_final(state bytea) RETURNS bytea
LANGUAGE c STABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_gram_final';
COMMENT ON FUNCTION commrec.gram_accum(bytea, bytea) IS
'Support function of the aggregate commrec.gram(): adds an embedding. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.gram_combine(bytea, bytea) IS
'Support function of the aggregate commrec.gram(): adds another state. Called directly: 0A000.';
COMMENT ON FUNCTION commrec.gram_final(bytea) IS
'Support function of the aggregate commrec.gram(): the matrix of the state.';
CREATE AGGREGATE commrec.gram(embedding bytea) (
	SFUNC = commrec.gram_accum, STYPE = pg_catalog.bytea, SSPACE = 16384,
	COMBINEFUNC = commrec.gram_combine, FINALFUNC = commrec.gram_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.gram(bytea) IS
'The Gram matrix of embeddings, sum of y y'', with their number, as one value. The sum is in double precision, so that its order shows in the last digits at most. NULLs are left out; NULL if nothing remains. Different dimensions: 22023; more than 512: 54000; out of range: 22003; damaged embeddings: XX001.';

CREATE FUNCTION commrec.solve_row(list bytea, factors bytea, gram bytea, regularization double precision,
	unobserved_weight double precision, regularization_exponent double precision DEFAULT 1)
RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 5000
AS 'MODULE_PATHNAME', 'commrec_solve_row';
COMMENT ON FUNCTION commrec.solve_row(bytea, bytea, bytea, double precision, double precision, double precision) IS
'The embedding of one row of a half step of implicit ALS, with the kernels of commrec.train(): list has the confidences (commrec.collect(); values of 0 and below count as none), factors the embeddings of the other side by number (commrec.pack_factors()), gram their Gram matrix and number (commrec.gram()). The penalty is regularization * (sum of confidences + unobserved_weight * number) ^ regularization_exponent. Zero without a confidence; NULL if an argument is. A number without factors, different dimensions, parameters out of range: 22023; damaged: XX001; a newer format: 0A000; no finite solution: 55000; beyond commrec.max_train_memory: 54000. Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, 2021.';

CREATE FUNCTION commrec.solve_rows(matrix bytea, factors bytea, gram bytea, regularization double precision,
	unobserved_weight double precision, regularization_exponent double precision DEFAULT 1)
RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000000
AS 'MODULE_PATHNAME', 'commrec_solve_rows';
COMMENT ON FUNCTION commrec.solve_rows(bytea, bytea, bytea, double precision, double precision, double precision) IS
'commrec.solve_row() for all rows of a matrix of commrec.pack_csr(), as one matrix of factors. NULL if an argument is. The same errors; a result beyond 1 GB: 54000.';

CREATE FUNCTION commrec.top_k(factors bytea, embedding bytea, k integer DEFAULT 10, seen bytea DEFAULT NULL)
RETURNS TABLE(rank integer, item_no integer, score real)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10 COST 10000
AS 'MODULE_PATHNAME', 'commrec_top_k';
COMMENT ON FUNCTION commrec.top_k(bytea, bytea, integer, bytea) IS
'The k rows of a factor matrix with the largest inner product with an embedding, ties by number. Those in the list seen (commrec.collect(), whatever the value; NULL: none), and rows that are zero, are left out. No rows for NULL factors or embedding; a NULL k is 10. k below 1, different dimensions: 22023; out of range: 22003; damaged: XX001; a newer format: 0A000.';

CREATE FUNCTION commrec.unpack_factors(factors bytea)
RETURNS TABLE("row" integer, embedding bytea)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 1000 COST 1000
AS 'MODULE_PATHNAME', 'commrec_unpack_factors';
COMMENT ON FUNCTION commrec.unpack_factors(bytea) IS
'The rows of a factor matrix as embeddings, zero ones too. No rows for NULL. Damaged: XX001; a newer format: 0A000.';

CREATE FUNCTION commrec.gram_product(a bytea, b bytea) RETURNS double precision
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_gram_product';
COMMENT ON FUNCTION commrec.gram_product(bytea, bytea) IS
'The sum of the squared inner products of all pairs of two sets of embeddings, from their Gram matrices: the unobserved part of the loss. NULL if either is NULL. Different dimensions: 22023; out of range: 22003; damaged: XX001; a newer format: 0A000.';

CREATE FUNCTION commrec.start_embedding("row" integer, factors integer, seed integer DEFAULT 42) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_start_embedding';
COMMENT ON FUNCTION commrec.start_embedding(integer, integer, integer) IS
'The random embedding from which commrec.train() starts for the user of this number (from 0, in ascending order of id): normal, of standard deviation 0.1 / sqrt(factors). NULL if an argument is. Negative row or seed, factors not between 1 and 512: 22023.';

-- ---------------------------------------------------------------------------
-- 8  Metrics, evaluation
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.metric_accum(state bytea, score double precision, relevance double precision) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_metric_accum';
CREATE FUNCTION commrec.metric_accum(state bytea, score double precision, relevance double precision, k integer) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_metric_accum';
CREATE FUNCTION commrec.metric_accum(state bytea, score double precision, relevance boolean) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_metric_accum_label';
CREATE FUNCTION commrec.metric_accum(state bytea, score double precision, relevance boolean, k integer) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_metric_accum_label';
CREATE FUNCTION commrec.auc_accum(state bytea, score double precision, label double precision) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_auc_accum';
CREATE FUNCTION commrec.auc_accum(state bytea, score double precision, label boolean) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 5
AS 'MODULE_PATHNAME', 'commrec_auc_accum_label';
COMMENT ON FUNCTION commrec.metric_accum(bytea, double precision, double precision) IS
'Support function of the aggregates over rankings: adds a row.';
COMMENT ON FUNCTION commrec.metric_accum(bytea, double precision, double precision, integer) IS
'Support function of the aggregates over rankings: adds a row.';
COMMENT ON FUNCTION commrec.metric_accum(bytea, double precision, boolean) IS
'Support function of the aggregates over rankings: adds a row.';
COMMENT ON FUNCTION commrec.metric_accum(bytea, double precision, boolean, integer) IS
'Support function of the aggregates over rankings: adds a row.';
COMMENT ON FUNCTION commrec.auc_accum(bytea, double precision, double precision) IS
'Support function of the aggregate commrec.auc(): adds a row.';
COMMENT ON FUNCTION commrec.auc_accum(bytea, double precision, boolean) IS
'Support function of the aggregate commrec.auc(): adds a row.';

CREATE FUNCTION commrec.metric_combine(state bytea, other bytea) RETURNS bytea
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_metric_combine';
COMMENT ON FUNCTION commrec.metric_combine(bytea, bytea) IS
'Support function of the aggregates over rankings: adds two states, either of which may be NULL.';

CREATE FUNCTION commrec.ndcg_final(state bytea) RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_ndcg_final';
CREATE FUNCTION commrec.recall_final(state bytea) RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_recall_final';
CREATE FUNCTION commrec.precision_final(state bytea) RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_precision_final';
CREATE FUNCTION commrec.average_precision_final(state bytea) RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_average_precision_final';
CREATE FUNCTION commrec.reciprocal_rank_final(state bytea) RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_reciprocal_rank_final';
CREATE FUNCTION commrec.auc_final(state bytea) RETURNS double precision
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_auc_final';
COMMENT ON FUNCTION commrec.ndcg_final(bytea) IS 'Support function of the aggregate commrec.ndcg().';
COMMENT ON FUNCTION commrec.recall_final(bytea) IS 'Support function of the aggregate commrec.recall_at().';
COMMENT ON FUNCTION commrec.precision_final(bytea) IS 'Support function of the aggregate commrec.precision_at().';
COMMENT ON FUNCTION commrec.average_precision_final(bytea) IS
'Support function of the aggregate commrec.average_precision().';
COMMENT ON FUNCTION commrec.reciprocal_rank_final(bytea) IS
'Support function of the aggregate commrec.reciprocal_rank().';
COMMENT ON FUNCTION commrec.auc_final(bytea) IS 'Support function of the aggregate commrec.auc().';

CREATE AGGREGATE commrec.ndcg(score double precision, relevance double precision, k integer) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.ndcg_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.ndcg(score double precision, relevance boolean, k integer) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.ndcg_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.ndcg(double precision, double precision, integer) IS
'nDCG@k of one ranking, a row for each item: the sum over the first k places of gain / log2(rank + 1), over the same sum for the best order there could be. relevance: the gain, at least 0, or a boolean for 1 and 0; give 2 ^ relevance - 1 for exponential gains. Rows may come in any order; the highest score is at rank 1, and equal scores give the mean over all their orders (McSherry and Najork, ECIR 2008). A NULL score stands for an item that was not recommended: it is at no rank, but counts among the relevant ones. A NULL relevance is 0: a FULL JOIN of recommendations and test data needs no COALESCE. A NULL k: the whole ranking; k below 1, or different within a ranking: 22023. No item with a gain: NULL. A negative relevance: 22023. Jarvelin and Kekalainen, Cumulated gain-based evaluation of IR techniques, TOIS 2002. NaN as score or relevance, infinity as relevance: 22003. No rows: NULL.';
COMMENT ON AGGREGATE commrec.ndcg(double precision, boolean, integer) IS
'The same as commrec.ndcg(double precision, double precision, integer), for relevances that are true or false.';

CREATE AGGREGATE commrec.recall_at(score double precision, relevance double precision, k integer) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.recall_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.recall_at(score double precision, relevance boolean, k integer) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.recall_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.recall_at(double precision, double precision, integer) IS
'Recall of one ranking, a row for each item: relevant items (relevance above 0, or true) in the first k places, over all that are relevant. Rows may come in any order; the highest score is at rank 1, and equal scores give the mean over all their orders (McSherry and Najork, ECIR 2008). A NULL score stands for an item that was not recommended: it is at no rank, but counts among the relevant ones. A NULL relevance is 0: a FULL JOIN of recommendations and test data needs no COALESCE. A NULL k: the whole ranking; k below 1, or different within a ranking: 22023. No relevant item: NULL. NaN as score or relevance, infinity as relevance: 22003. No rows: NULL.';
COMMENT ON AGGREGATE commrec.recall_at(double precision, boolean, integer) IS
'The same as commrec.recall_at(double precision, double precision, integer), for relevances that are true or false.';

CREATE AGGREGATE commrec.precision_at(score double precision, relevance double precision, k integer) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.precision_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.precision_at(score double precision, relevance boolean, k integer) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.precision_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.precision_at(double precision, double precision, integer) IS
'Precision of one ranking, a row for each item: relevant items (relevance above 0, or true) in the first k places, over k, even if fewer items have a score. Rows may come in any order; the highest score is at rank 1, and equal scores give the mean over all their orders (McSherry and Najork, ECIR 2008). A NULL score stands for an item that was not recommended: it is at no rank, but counts among the relevant ones. A NULL relevance is 0: a FULL JOIN of recommendations and test data needs no COALESCE. A NULL k: the whole ranking; k below 1, or different within a ranking: 22023. Without k: over the items that have a score, NULL if none has. NaN as score or relevance, infinity as relevance: 22003. No rows: NULL.';
COMMENT ON AGGREGATE commrec.precision_at(double precision, boolean, integer) IS
'The same as commrec.precision_at(double precision, double precision, integer), for relevances that are true or false.';

CREATE AGGREGATE commrec.average_precision(score double precision, relevance double precision) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.average_precision_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.average_precision(score double precision, relevance boolean) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.average_precision_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.average_precision(double precision, double precision) IS
'Average precision of one ranking, a row for each item: the sum over relevant items (relevance above 0, or true) of the precision at their ranks, over the number of all that are relevant. Its mean over users is MAP. Rows may come in any order; the highest score is at rank 1, and equal scores give the mean over all their orders (McSherry and Najork, ECIR 2008). A NULL score stands for an item that was not recommended: it is at no rank, but counts among the relevant ones. A NULL relevance is 0: a FULL JOIN of recommendations and test data needs no COALESCE. No relevant item: NULL. Buckley and Voorhees, Evaluating evaluation measure stability, SIGIR 2000. NaN as score or relevance, infinity as relevance: 22003. No rows: NULL.';
COMMENT ON AGGREGATE commrec.average_precision(double precision, boolean) IS
'The same as commrec.average_precision(double precision, double precision), for relevances that are true or false.';

CREATE AGGREGATE commrec.reciprocal_rank(score double precision, relevance double precision) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.reciprocal_rank_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.reciprocal_rank(score double precision, relevance boolean) (
	SFUNC = commrec.metric_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.reciprocal_rank_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.reciprocal_rank(double precision, double precision) IS
'1 / rank of the first relevant item (relevance above 0, or true) of one ranking, a row for each item; 0 if none has a score. Its mean over users is MRR. Rows may come in any order; the highest score is at rank 1, and equal scores give the mean over all their orders (McSherry and Najork, ECIR 2008). A NULL score stands for an item that was not recommended: it is at no rank, but counts among the relevant ones. A NULL relevance is 0: a FULL JOIN of recommendations and test data needs no COALESCE. No relevant item: NULL. Voorhees, The TREC-8 question answering track report, 1999. NaN as score or relevance, infinity as relevance: 22003. No rows: NULL.';
COMMENT ON AGGREGATE commrec.reciprocal_rank(double precision, boolean) IS
'The same as commrec.reciprocal_rank(double precision, double precision), for relevances that are true or false.';

CREATE AGGREGATE commrec.auc(score double precision, label double precision) (
	SFUNC = commrec.auc_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.auc_final, PARALLEL = SAFE);
CREATE AGGREGATE commrec.auc(score double precision, label boolean) (
	SFUNC = commrec.auc_accum, STYPE = pg_catalog.bytea, COMBINEFUNC = commrec.metric_combine,
	FINALFUNC = commrec.auc_final, PARALLEL = SAFE);
COMMENT ON AGGREGATE commrec.auc(double precision, double precision) IS
'Area under the ROC curve: the probability that a positive row (label above 0, or true) has a higher score than a negative one, equal scores counting half. Rows with a NULL score or a NULL label are left out. Without a positive or without a negative row: NULL. NaN as score or label, infinity as label: 22003. Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic curve, Radiology 1982.';
COMMENT ON AGGREGATE commrec.auc(double precision, boolean) IS
'The same as commrec.auc(double precision, double precision), for labels that are true or false.';

CREATE FUNCTION commrec.evaluate(model text, version integer DEFAULT NULL, split_at timestamptz DEFAULT NULL,
	test regclass DEFAULT NULL, k integer[] DEFAULT '{5,10,20}', baselines text[] DEFAULT '{popular,recent}',
	negatives regclass DEFAULT NULL, strata boolean DEFAULT false, split text DEFAULT NULL,
	test_share double precision DEFAULT 0.1, hyperparameters jsonb DEFAULT NULL, users integer DEFAULT NULL,
	replicates integer DEFAULT 1000, confidence double precision DEFAULT 0.95, seed integer DEFAULT 42,
	workers integer DEFAULT NULL, verbose boolean DEFAULT false, allow_row_security boolean DEFAULT false)
RETURNS TABLE (scorer text, stratum text, metric text, k integer, value double precision, low double precision,
	high double precision, users bigint)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100 COST 1000000
AS 'MODULE_PATHNAME', 'commrec_evaluate';
COMMENT ON FUNCTION commrec.evaluate(text, integer, timestamptz, regclass, integer[], text[], regclass, boolean, text, double precision, jsonb, integer, integer, double precision, integer, integer, boolean, boolean) IS
'How good a model is, against baselines. Without test: the model''s events are split, a model is trained in memory on what is known, and what follows is to be foreseen; nothing is published. split: "time" (events at or after split_at, by default the newest test_share of them), "last" (the newest item of each user), "random" (test_share of each user''s pairs, by seed); by default time where there are times, else random. hyperparameters are those of the model, or of the version given, and over them those given here. With test, a relation with the model''s user and item columns: a version (the deployed one) is judged as it serves; negatives, a relation of the same columns, makes it the sampled protocol. A test item is one that the user prefers and has not had to do with; all users who have one count, or so many of them as users says, drawn by seed. The whole catalogue less what the user has seen is ranked as by commrec.recommend(). Metrics at each k: recall, precision, ndcg, map, mrr, hit_rate, novelty (bits), diversity (1 - cosine), coverage and gini; auc of the whole ranking (of the model: for at most 5000 users). Baselines: "popular" by number of users, "recent" by popularity with a half-life of 7 days; "model - popular" is the difference over the same users. low and high: interval by bootstrap over users (replicates; 0: none). strata: also by activity of the user, popularity and age of the item. The figures are kept in the model''s tables evaluation and metric. A NULL argument stands for its default. The caller must be owner (42501). Wrong argument: 22023; infinite split_at: 22008; no times, nothing to learn or foresee, no deployed version or its data gone: 55000; unknown version: 42704; relation or column missing: 42P01, 42703; too large for commrec.max_train_memory: 54000; read-only transaction: 25006. doc/evaluation.md has definitions and papers.';

CREATE PROCEDURE commrec.tune(model text, search jsonb DEFAULT NULL, trials integer DEFAULT 30,
	budget interval DEFAULT NULL, metric text DEFAULT 'ndcg@10', split text DEFAULT NULL, folds integer DEFAULT 3, apply boolean DEFAULT false,
	users integer DEFAULT 10000, seed integer DEFAULT 42, workers integer DEFAULT NULL, verbose boolean DEFAULT false,
	allow_row_security boolean DEFAULT false)
LANGUAGE c
AS 'MODULE_PATHNAME', 'commrec_tune';
COMMENT ON PROCEDURE commrec.tune(text, jsonb, integer, interval, text, text, integer, boolean, integer, integer, integer, boolean, boolean) IS
'Searches for good hyperparameters: CALL commrec.tune(''courses''). Trial 1 has those of the model, the others draw what is searched, by seed; all are judged on the first fold, the better third and trial 1 on the second, too, and so on. search: for each hyperparameter the values to choose from, or a range: {"factors": [32, 64], "regularization": {"low": 0.001, "high": 0.1, "scale": "log"}}; by default what commrec.hyperparameters shows as searched. split: what a fold is. "time": a tenth of the events, to be foreseen from all that came before; the newest, the one before, and so on; "last": the newest item of each user, the one before, and so on; "random": a tenth of the pairs, by seed; by default time where there are times, else random. The events are read once. The weight of popularity is validated once a fold, unless it is searched. budget: after this time no trial is begun (NULL: no limit). metric: recall, precision, ndcg, map, mrr or hit_rate at a k. users: judged on at most, drawn by seed. apply: write the best into the model, as commrec.alter_model() would; nothing is trained or deployed. verbose: a line a trial. The procedure commits after every trial, in the model''s table "trial", so that a cancel loses only the one under way; it cannot be called in a transaction block (2D000). A NULL argument stands for its default. The caller must be owner (42501). Wrong argument: 22023; nothing to learn or foresee: 55000; model NULL: 22004, unknown: 42704; too large for commrec.max_train_memory: 54000; read-only transaction: 25006. Bergstra and Bengio, Random search for hyper-parameter optimization, JMLR 2012; Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.';

CREATE FUNCTION commrec.wilson(successes bigint, trials bigint, confidence double precision DEFAULT 0.95,
	OUT rate double precision, OUT low double precision, OUT high double precision)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'commrec_wilson';
COMMENT ON FUNCTION commrec.wilson(bigint, bigint, double precision) IS
'A rate and its confidence interval: successes / trials, and Wilson''s score interval, which keeps within 0 and 1 and is right for few trials, too. NULLs for a NULL argument or no trials. Negative successes, more successes than trials, confidence not between 0 and 1: 22023. Wilson, Probable inference, the law of succession, and statistical inference, JASA 1927.';

CREATE FUNCTION commrec.effect_source(schema_name name, by text, OUT events text, OUT user_sql text, OUT item_sql text,
	OUT action_sql text, OUT time_sql text, OUT part_sql text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	config record;
	source oid := commrec.find_source(schema_name);
	bytewise CONSTANT text := ' COLLATE pg_catalog."C"';
BEGIN
	EXECUTE format('SELECT * FROM ONLY %I.commrec_model', schema_name) INTO STRICT config;
	IF source IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_table',
			MESSAGE = format('events relation %s of model "%s" does not exist', config.events, config.model),
			HINT = 'Restore it, or point the model at another relation with commrec.alter_model().';
	END IF;
	events := commrec.relation_name(source);
	SELECT format('s.%I::pg_catalog.%I%s', config.user_column, u.typname, CASE WHEN u.typname = 'text' THEN bytewise ELSE '' END),
		format('s.%I::pg_catalog.%I%s', config.item_column, i.typname, CASE WHEN i.typname = 'text' THEN bytewise ELSE '' END)
	INTO STRICT user_sql, item_sql
	FROM pg_type AS u, pg_type AS i
	WHERE u.oid = config.user_type AND i.oid = config.item_type;
	IF config.action_column IS NOT NULL THEN
		action_sql := format('s.%I::pg_catalog.text%s', config.action_column, bytewise);
	END IF;
	-- Without a time zone it is UTC, as in training, whatever the session says.
	IF config.time_column IS NOT NULL THEN
		SELECT CASE t.typname WHEN 'timestamptz' THEN format('s.%I', config.time_column)
			ELSE format('pg_catalog.timezone(''UTC'', s.%I::pg_catalog.timestamp)', config.time_column) END
		INTO time_sql
		FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = commrec.base_type(a.atttypid)
		WHERE a.attrelid = source AND a.attname = config.time_column AND NOT a.attisdropped;
	END IF;
	IF by IN ('day', 'week', 'month') THEN
		PERFORM commrec.require_effect_column(config.model, 'time', time_sql);
	ELSIF by IS NOT NULL THEN
		PERFORM commrec.source_column(source, by);
		part_sql := format('s.%I::pg_catalog.text%s', by, bytewise);
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.effect_source(name, text) IS
'How commrec.ctr() and commrec.retention() read the events of a model: SQL for its columns, NULL where there is none. Relation gone: 42P01; no such column: 42703; by a time without a time column: 55000; no SELECT: 42501.';

CREATE FUNCTION commrec.require_effect_column(model text, what text, column_sql text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF column_sql IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('model "%s" has no %s column', model, what),
			HINT = format('Set it with commrec.alter_model(''%s'', %s_column => ...).', model, what);
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.require_effect_column(text, text, text) IS
'55000 if the events of a model lack the column.';

CREATE FUNCTION commrec.effect_actions(schema_name name, given text[], instead text[]) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text;
BEGIN
	EXECUTE format('SELECT min(coalesce(u.action, ''NULL'')) FROM unnest($1) AS u (action) WHERE u.action IS NULL '
		'OR NOT EXISTS (SELECT FROM ONLY %I.action AS a WHERE a.action = u.action)', schema_name)
	INTO unknown USING given;
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('model has no action "%s"', unknown),
			HINT = format('The table %I.action lists the actions.', schema_name);
	ELSIF coalesce(cardinality(coalesce(given, instead)), 0) = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'no action counts as an impression, or none as a click',
			HINT = 'Name them with impressions => ''{...}'' and clicks => ''{...}''.';
	END IF;
	RETURN coalesce(given, instead);
END
$$;
COMMENT ON FUNCTION commrec.effect_actions(name, text[], text[]) IS
'The actions given, or those instead if none are. One that the model''s table "action" does not have: 42704; none at all: 55000.';

CREATE FUNCTION commrec.impression_actions(schema_name name, given text[]) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	instead text[];
BEGIN
	EXECUTE format('SELECT coalesce(array_agg(a.action ORDER BY a.action) FILTER (WHERE a.action <> ''view''), '
		'array_agg(a.action ORDER BY a.action)) FROM ONLY %I.action AS a '
		'WHERE a.action IN (''impression'', ''show'', ''display'', ''view'')', schema_name)
	INTO instead;
	RETURN commrec.effect_actions(schema_name, given, instead);
END
$$;
COMMENT ON FUNCTION commrec.impression_actions(name, text[]) IS
'What counts as an impression: the actions given, else "impression", "show" and "display", else "view". None: 55000.';

CREATE FUNCTION commrec.click_actions(schema_name name, given text[], impressions text[]) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	instead text[];
BEGIN
	EXECUTE format('SELECT array_agg(a.action ORDER BY a.action) FROM ONLY %I.action AS a '
		'WHERE a.action <> ALL ($1) AND a.preference > 0', schema_name)
	INTO instead USING impressions;
	RETURN commrec.effect_actions(schema_name, given, instead);
END
$$;
COMMENT ON FUNCTION commrec.click_actions(name, text[], text[]) IS
'What counts as a click: the actions given, else all with a positive preference that are no impressions. None: 55000.';

CREATE FUNCTION commrec.check_effect(since timestamptz, until timestamptz, confidence double precision) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT isfinite(since) OR NOT isfinite(until) THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow',
			MESSAGE = 'since and until must be finite',
			HINT = 'Leave them out for all of the time.';
	END IF;
	PERFORM commrec.wilson(0, 1, confidence);
END
$$;
COMMENT ON FUNCTION commrec.check_effect(timestamptz, timestamptz, double precision) IS
'Checks the arguments of commrec.ctr() and commrec.retention(): infinite time 22008, confidence not between 0 and 1: 22023. NULLs pass.';

CREATE FUNCTION commrec.ctr(model text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, by text DEFAULT NULL,
	impressions text[] DEFAULT NULL, clicks text[] DEFAULT NULL, confidence double precision DEFAULT 0.95,
	search_path text DEFAULT pg_catalog.current_setting('search_path'))
RETURNS TABLE (part text, shown bigint, clicked bigint, rate double precision, low double precision, high double precision)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10 COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	source record;
	query text;
BEGIN
	PERFORM commrec.check_effect(since, until, coalesce(confidence, 0.95));
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model);
	source := commrec.effect_source(schema_name, by);
	PERFORM commrec.require_effect_column(schema_name, 'action', source.action_sql);
	IF num_nonnulls(since, until) > 0 THEN
		PERFORM commrec.require_effect_column(schema_name, 'time', source.time_sql);
	END IF;
	impressions := commrec.impression_actions(schema_name, impressions);
	clicks := commrec.click_actions(schema_name, clicks, impressions);
	query := format($sql$
		WITH event AS (
			SELECT %1$s AS who, %2$s AS what, %3$s AS action, %4$s AS at, %5$s AS part FROM %6$s AS s),
		span AS (
			SELECT e.who, e.what, e.action, e.at, e.part FROM event AS e
			WHERE e.who IS NOT NULL AND e.what IS NOT NULL
				AND ($3 IS NULL OR e.at OPERATOR(pg_catalog.>=) $3) AND ($4 IS NULL OR e.at OPERATOR(pg_catalog.<) $4)),
		impression AS (
			SELECT e.who, e.what, e.part, pg_catalog.min(e.at) AS at FROM span AS e
			WHERE e.action OPERATOR(pg_catalog.=) ANY ($1) GROUP BY e.who, e.what, e.part),
		click AS (
			SELECT e.who, e.what, pg_catalog.max(e.at) AS at FROM span AS e
			WHERE e.action OPERATOR(pg_catalog.=) ANY ($2) GROUP BY e.who, e.what)
		SELECT %7$s, pg_catalog.count(*), pg_catalog.count(c.who)
		FROM impression AS i LEFT JOIN click AS c ON c.who OPERATOR(pg_catalog.=) i.who AND c.what OPERATOR(pg_catalog.=) i.what
			AND (i.at IS NULL OR c.at OPERATOR(pg_catalog.>=) i.at)
		GROUP BY 1 ORDER BY 1
		$sql$, source.user_sql, source.item_sql, source.action_sql, coalesce(source.time_sql, 'NULL::pg_catalog.timestamptz'),
		coalesce(source.part_sql, 'NULL::pg_catalog.text'), source.events,
		CASE WHEN by IN ('day', 'week', 'month')
			THEN format('pg_catalog.to_char(pg_catalog.date_trunc(%L, pg_catalog.timezone(''UTC'', i.at)), ''YYYY-MM-DD'')', by)
			ELSE 'i.part' END);
	-- The end of this function undoes it: the setting is the function's own.
	PERFORM pg_catalog.set_config('search_path', search_path, true);
	FOR part, shown, clicked IN EXECUTE query USING impressions, clicks, since, until LOOP
		SELECT w.rate, w.low, w.high INTO rate, low, high FROM commrec.wilson(clicked, shown, coalesce(confidence, 0.95)) AS w;
		RETURN NEXT;
	END LOOP;
	IF NOT FOUND AND by IS NULL THEN
		RETURN QUERY VALUES (NULL::text, 0::bigint, 0::bigint, NULL::double precision, NULL::double precision, NULL::double precision);
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.ctr(text, timestamptz, timestamptz, text, text[], text[], double precision, text) IS
'Click-through rate from the events themselves, read as the caller: of the pairs of user and item with an impression at or after since and before until (NULL: open), the part with a click at or after the first of them and before until, with Wilson''s interval. by: NULL for one row, "day", "week" or "month" (UTC) of the first impression, or a column of the events, such as the arm of an experiment, whose value at the impression makes the part. impressions, clicks: actions; by default "impression", "show" and "display", or else "view", and all others with a positive preference. Without a time column any click counts. search_path is in force while the events are read; leave it out. The caller needs SELECT on the events and on the model''s tables commrec_model and action (42501). A NULL model is the default one. Unknown action or model: 42704; no action column, no time column where one is needed, no impressions or clicks: 55000; no such column: 42703; infinite time: 22008; confidence: 22023.';

CREATE FUNCTION commrec.retention(model text, cohort interval DEFAULT '7 days', horizon interval DEFAULT '28 days',
	by text DEFAULT NULL, actions text[] DEFAULT NULL, confidence double precision DEFAULT 0.95,
	search_path text DEFAULT pg_catalog.current_setting('search_path'))
RETURNS TABLE (first timestamptz, part text, period integer, users bigint, retained bigint, rate double precision,
	low double precision, high double precision)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100 COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	limit_periods CONSTANT integer := 1000;
	schema_name name;
	source record;
	query text;
	periods double precision;
BEGIN
	cohort := coalesce(cohort, '7 days');
	horizon := coalesce(horizon, '28 days');
	PERFORM commrec.check_effect(NULL, NULL, coalesce(confidence, 0.95)), commrec.bucket_start(now(), cohort),
		commrec.bucket_start(now(), horizon);
	SELECT n.nspname INTO schema_name FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model);
	source := commrec.effect_source(schema_name, by);
	PERFORM commrec.require_effect_column(schema_name, 'time', source.time_sql);
	periods := ceil(extract(epoch FROM horizon) / extract(epoch FROM cohort));
	IF periods > limit_periods THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('horizon has more than %s cohorts', limit_periods),
			HINT = 'Widen the cohorts, or look less far.';
	END IF;
	IF actions IS NOT NULL THEN
		PERFORM commrec.require_effect_column(schema_name, 'action', source.action_sql);
		actions := commrec.effect_actions(schema_name, actions, NULL);
	END IF;
	query := format($sql$
		WITH event AS (
			SELECT %1$s AS who, %2$s AS action, %3$s AS at, %4$s AS part FROM %5$s AS s),
		dated AS (
			SELECT e.who, e.action, e.at, e.part FROM event AS e
			WHERE e.who IS NOT NULL AND e.at IS NOT NULL AND pg_catalog.isfinite(e.at)),
		newest AS (SELECT pg_catalog.max(d.at) AS at FROM dated AS d),
		member AS (
			SELECT d.who, pg_catalog.min(d.at) AS at, (pg_catalog.array_agg(d.part ORDER BY d.at, d.part))[1] AS part
			FROM dated AS d GROUP BY d.who),
		back AS (
			SELECT DISTINCT m.who, pg_catalog.floor(pg_catalog.date_part('epoch', d.at OPERATOR(pg_catalog.-) m.at)
				OPERATOR(pg_catalog./) $2)::pg_catalog.int4 AS period
			FROM dated AS d JOIN member AS m ON m.who OPERATOR(pg_catalog.=) d.who
			WHERE ($4 IS NULL OR d.action OPERATOR(pg_catalog.=) ANY ($4))
				AND d.at OPERATOR(pg_catalog.<) (m.at OPERATOR(pg_catalog.+) ($1 OPERATOR(pg_catalog.*) ($3 OPERATOR(pg_catalog.+) 1)::pg_catalog.float8)))
		SELECT commrec.bucket_start(m.at, $1), %6$s, p.period, pg_catalog.count(*), pg_catalog.count(b.who)
		FROM member AS m CROSS JOIN newest AS n
			JOIN pg_catalog.generate_series(1, $3) AS p (period)
				ON (m.at OPERATOR(pg_catalog.+) ($1 OPERATOR(pg_catalog.*) (p.period OPERATOR(pg_catalog.+) 1)::pg_catalog.float8))
					OPERATOR(pg_catalog.<=) n.at
			LEFT JOIN back AS b ON b.who OPERATOR(pg_catalog.=) m.who AND b.period OPERATOR(pg_catalog.=) p.period
		GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		$sql$, source.user_sql, coalesce(source.action_sql, 'NULL::pg_catalog.text'), source.time_sql,
		coalesce(source.part_sql, 'NULL::pg_catalog.text'), source.events,
		CASE WHEN by IN ('day', 'week', 'month')
			THEN format('pg_catalog.to_char(pg_catalog.date_trunc(%L, pg_catalog.timezone(''UTC'', m.at)), ''YYYY-MM-DD'')', by)
			ELSE 'm.part' END);
	-- The end of this function undoes it: the setting is the function's own.
	PERFORM pg_catalog.set_config('search_path', search_path, true);
	FOR first, part, period, users, retained IN EXECUTE query
		USING cohort, extract(epoch FROM cohort)::double precision, periods::integer, actions LOOP
		SELECT w.rate, w.low, w.high INTO rate, low, high FROM commrec.wilson(retained, users, coalesce(confidence, 0.95)) AS w;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.retention(text, interval, interval, text, text[], double precision, text) IS
'How many users come back, from the events themselves, read as the caller. Users whose first event lies in the same bucket of width cohort (from "first" on, see commrec.bucket_start()) are followed for the horizon: in period p, the part of them with an event from p to p + 1 widths after their own first one, with Wilson''s interval. Only users whose period has passed by the newest event count, so that young cohorts do not look worse. by: NULL, "day", "week" or "month" (UTC) of the first event, or a column of the events, such as the arm of an experiment, whose value at the first event makes the part. actions: only these count as coming back (NULL: all). search_path is in force while the events are read; leave it out. The caller needs SELECT on the events and on the model''s tables commrec_model and action (42501). A NULL argument stands for its default. No time column: 55000; unknown action or model: 42704; no such column: 42703; widths with months, below a second, or a horizon of more than 1000 cohorts, confidence: 22023.';

-- ---------------------------------------------------------------------------
-- 9  All users at once
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.recommend_all(model text DEFAULT NULL, k integer DEFAULT 10, exclude_seen boolean DEFAULT true,
	workers integer DEFAULT NULL)
RETURNS TABLE (user_id text, rank integer, item_id text, score real, source text)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1000000 COST 10000000
AS 'MODULE_PATHNAME', 'commrec_recommend_all';
COMMENT ON FUNCTION commrec.recommend_all(text, integer, boolean, integer) IS
'What commrec.recommend() gives each user of a model''s deployed version: the k best items of every user, users in the order of their ids, the best item first. Ids are given as text; the function recommend_all of the model''s schema has them in their own types. Items already seen are left out unless exclude_seen is false; disliked ones always. workers: parallel workers that are asked for; NULL: by the size of the model, at most max_parallel_workers_per_gather; none within a query that runs in parallel itself. Rows are the same for any number. A NULL k is 10, a NULL model the default one. Memory is planned first and does not grow with users times items. k below 1 or workers out of range: 22023; more memory than commrec.max_train_memory: 54000; unknown model: 42704; no USAGE on its schema: 42501; never trained: 55000. Stopping early by norms: Teflioudi et al., LEMP: fast retrieval of large entries in a matrix product, 2015.';

CREATE FUNCTION commrec.recommend_all_typed(model text, k integer, exclude_seen boolean, workers integer)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1000000 COST 10000000
AS 'MODULE_PATHNAME', 'commrec_recommend_all';
COMMENT ON FUNCTION commrec.recommend_all_typed(text, integer, boolean, integer) IS
'What the function "recommend_all" of a model''s schema calls: as commrec.recommend_all(), with the caller''s column definition list (user_id ..., rank integer, item_id ..., score real, source text).';

CREATE FUNCTION commrec.split_target(target text, target_schema name, OUT schema_name name, OUT table_name name)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parts text[];
BEGIN
	IF target IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'target must not be null',
			HINT = 'Name the table that is to hold the recommendations.';
	END IF;
	parts := parse_ident(target);
	IF cardinality(parts) > 2 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_name',
			MESSAGE = format('target "%s" has too many parts', target),
			HINT = 'Name a table of this database: schema.table.';
	ELSIF octet_length(parts[1]) > current_setting('max_identifier_length')::integer
		OR octet_length(parts[2]) > current_setting('max_identifier_length')::integer THEN
		RAISE EXCEPTION USING ERRCODE = 'name_too_long',
			MESSAGE = format('target "%s" is too long', target),
			HINT = 'Choose a shorter name.';
	END IF;
	schema_name := CASE cardinality(parts) WHEN 2 THEN parts[1] ELSE target_schema END;
	table_name := parts[cardinality(parts)];
	IF schema_name IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
			MESSAGE = 'no schema has been selected to create the table in',
			HINT = 'Give the schema with the target: schema.table.';
	ELSIF NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = schema_name) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
			MESSAGE = format('schema "%s" does not exist', schema_name),
			HINT = 'Create it first, or choose another one.';
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.split_target(text, name) IS
'Schema and name of a table that need not exist; target_schema where the target names none. NULL target: 22004; no identifier: 22023; more than two parts: 42602; too long: 42622; no such schema: 3F000.';

CREATE FUNCTION commrec.check_target(target oid, columns text[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found record;
	problem text;
BEGIN
	SELECT c.relkind = 'r' AND EXISTS (
			SELECT FROM pg_constraint AS k
			WHERE k.conrelid = c.oid AND k.conname = 'made_by_commrec_materialize') AS is_made,
		pg_has_role(c.relowner, 'USAGE') AS is_own,
		(SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
		 FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
		c.relrowsecurity OR c.relhasrules OR c.relhassubclass OR c.relispartition
			OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid)
			OR EXISTS (SELECT FROM pg_attrdef AS d WHERE d.adrelid = c.oid)
			OR EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attidentity <> '')
			OR EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid)
			OR EXISTS (SELECT FROM pg_index AS i
					   WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
			OR EXISTS (SELECT FROM pg_constraint AS k
					   WHERE k.conrelid = c.oid AND k.contype NOT IN ('p', 'u', 'n')
						AND (k.conname <> 'made_by_commrec_materialize'
							OR pg_get_constraintdef(k.oid) <> 'CHECK ((rank > 0))')) AS is_altered
	INTO found
	FROM pg_class AS c WHERE c.oid = target;
	IF NOT found.is_made THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_table',
			MESSAGE = format('%s already exists and was not made by commrec.materialize()', commrec.relation_name(target)),
			HINT = 'Choose another name, or drop it first.';
	ELSIF NOT found.is_own THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
			MESSAGE = format('must be owner of table %s', commrec.relation_name(target)),
			HINT = 'Choose another name.';
	ELSIF found.columns <> columns THEN
		problem := format('has other columns than (%s)', array_to_string(columns, ', '));
	ELSIF found.is_altered THEN
		problem := 'has got triggers, rules, row security, defaults, children, foreign keys or the like';
	END IF;
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('table %s %s', commrec.relation_name(target), problem),
			DETAIL = 'Nothing that somebody added may run or get in the way while the table is filled.',
			HINT = 'Drop the table, so that it is made again, or choose another name. Plain indexes, privileges, comments and views are fine.';
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.check_target(oid, text[]) IS
'May commrec.materialize() replace the rows of this table with these columns ("name type")? Not made by it: 42P07; not the caller''s: 42501; altered since: 55000.';

CREATE FUNCTION commrec.create_target(schema_name name, table_name name, user_type text, item_type text, model text)
RETURNS oid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		CREATE TABLE %1$I.%2$I (
			user_id %3$s,
			rank integer CONSTRAINT made_by_commrec_materialize CHECK (rank > 0),
			item_id %4$s NOT NULL,
			score real NOT NULL,
			source text NOT NULL,
			PRIMARY KEY (user_id, rank));
		COMMENT ON TABLE %1$I.%2$I IS %5$L;
		COMMENT ON COLUMN %1$I.%2$I.user_id IS 'user';
		COMMENT ON COLUMN %1$I.%2$I.rank IS 'place of the item among those recommended to the user, from 1';
		COMMENT ON COLUMN %1$I.%2$I.item_id IS 'item';
		COMMENT ON COLUMN %1$I.%2$I.score IS 'what it is ranked by, see source';
		COMMENT ON COLUMN %1$I.%2$I.source IS 'where the recommendation comes from, see commrec.recommend()'
	$sql$, schema_name, table_name, user_type, item_type,
		format('Recommendations of model "%s" for all its users; filled by commrec.materialize()', model));
	RETURN format('%I.%I', schema_name, table_name)::regclass;
END
$$;
COMMENT ON FUNCTION commrec.create_target(name, name, text, text, text) IS
'Makes an empty table for commrec.materialize(). The name of its CHECK constraint is what marks it.';

CREATE PROCEDURE commrec.materialize(model text, target text, k integer DEFAULT 10, exclude_seen boolean DEFAULT true,
	workers integer DEFAULT NULL, target_schema name DEFAULT pg_catalog.current_schema())
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	place record;
	model_name name;
	user_type text;
	item_type text;
	target_oid oid;
BEGIN
	SELECT n.nspname INTO STRICT model_name FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model);
	-- Which types its ids have.
	SELECT format_type(u.atttypid, NULL), format_type(i.atttypid, NULL) INTO user_type, item_type
	FROM pg_attribute AS u, pg_attribute AS i
	WHERE u.attrelid = format('%I.user_embedding', model_name)::regclass AND u.attname = 'user_id'
		AND i.attrelid = format('%I.item_embedding', model_name)::regclass AND i.attname = 'item_id';
	place := commrec.split_target(target, target_schema);
	target_oid := to_regclass(format('%I.%I', place.schema_name, place.table_name));
	IF target_oid IS NULL THEN
		target_oid := commrec.create_target(place.schema_name, place.table_name, user_type, item_type, model_name);
	ELSE
		PERFORM commrec.check_target(target_oid, ARRAY['user_id ' || user_type, 'rank integer', 'item_id ' || item_type,
			'score real', 'source text']);
		-- One at a time; readers go on.
		EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', target_oid::regclass);
		-- Asked again: now nobody can alter it any more.
		PERFORM commrec.check_target(target_oid, ARRAY['user_id ' || user_type, 'rank integer', 'item_id ' || item_type,
			'score real', 'source text']);
		-- Not TRUNCATE, and no other table in its place: see doc/design.md.
		EXECUTE format('DELETE FROM ONLY %s', target_oid::regclass);
	END IF;
	EXECUTE format('INSERT INTO %s (user_id, rank, item_id, score, source) '
		'SELECT r.user_id, r.rank, r.item_id, r.score, r.source FROM commrec.recommend_all_typed($1, $2, $3, $4) '
		'AS r (user_id %s, rank integer, item_id %s, score real, source text)', target_oid::regclass, user_type, item_type)
	USING model_name::text, k, exclude_seen, workers;
	EXECUTE format('ANALYZE %s', target_oid::regclass);
END
$$;
COMMENT ON PROCEDURE commrec.materialize(text, text, integer, boolean, integer, name) IS
'Writes what commrec.recommend_all() gives into a table (user_id, rank, item_id, score, source) with primary key (user_id, rank), for BI to read and for a schedule: CALL commrec.materialize(''courses'', ''reporting.recommended''). The table is made if it is not there; else its rows are replaced in one transaction, so that readers see the old ones or the new ones and never wait, and privileges, comments, plain indexes and views over it stay. target: name of the table, quoted as in SQL; without a schema it belongs to target_schema. The caller needs USAGE on the model''s schema, CREATE on the target''s schema for the first time, and must own the table from then on (42501). A table or view that this did not make: 42P07; a table altered since: 55000; NULL target: 22004; no such schema: 3F000; other errors as in commrec.recommend_all(). pg_stat_activity shows how far it is.';

-- ---------------------------------------------------------------------------
-- 10  More answers: score, similar users, popular items
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.score(user_id bigint, item_id bigint, model text DEFAULT NULL)
RETURNS real
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_score';

CREATE FUNCTION commrec.score(user_id uuid, item_id uuid, model text DEFAULT NULL)
RETURNS real
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_score';

CREATE FUNCTION commrec.score(user_id text, item_id text, model text DEFAULT NULL)
RETURNS real
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_score';

COMMENT ON FUNCTION commrec.score(bigint, bigint, text) IS
'The number that recommend() shows as score of this item for this user, to the bit, whether the user has seen the item or not: by whatever source recommend(fresh => false) names for the user: the inner product of their embeddings, or what the lists of the user''s items add up to; for a user of whom nothing was learned, likeness to his last item, or the item''s trend or decayed popularity. NULL for a NULL or unknown user or item; a NULL model is the default one. Never trained: 55000; unknown model: 42704; no USAGE on its schema: 42501; ids of another type: 42804.';
COMMENT ON FUNCTION commrec.score(uuid, uuid, text) IS
'The same as commrec.score(bigint, bigint, text), for models whose users and items have uuids.';
COMMENT ON FUNCTION commrec.score(text, text, text) IS
'The same as commrec.score(bigint, bigint, text), for every model: ids are given as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.score_typed(model text, user_id "any", item_id "any")
RETURNS real
LANGUAGE c STABLE PARALLEL SAFE COST 300
AS 'MODULE_PATHNAME', 'commrec_score_typed';
COMMENT ON FUNCTION commrec.score_typed(text, "any", "any") IS
'What the function "score" of a model''s schema calls: as commrec.score().';

CREATE FUNCTION commrec.explain(user_id bigint, item_id bigint, model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id bigint, confidence double precision, contribution double precision, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 30 COST 5000
AS 'MODULE_PATHNAME', 'commrec_explain';

CREATE FUNCTION commrec.explain(user_id uuid, item_id uuid, model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id uuid, confidence double precision, contribution double precision, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 30 COST 5000
AS 'MODULE_PATHNAME', 'commrec_explain';

CREATE FUNCTION commrec.explain(user_id text, item_id text, model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id text, confidence double precision, contribution double precision, source text)
LANGUAGE c STABLE PARALLEL SAFE ROWS 30 COST 5000
AS 'MODULE_PATHNAME', 'commrec_explain';

COMMENT ON FUNCTION commrec.explain(bigint, bigint, text) IS
'Why recommend() gives an item its score for a user: what each item of the user''s past contributes, largest first. The contributions add up to commrec.score(), whatever the algorithm. "ials": c_ui * y_j'' A^-1 y_i (Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets, 2008, section 5); an algorithm that scores by lists: c_ui W_ij; one whose users are sums of their items: c_ui y_i''y_j; any other: a_i y_i''y_j, where a projects the user''s vector on those of his items. confidence: the c_ui that it was trained with, or a_i. source: "item"; "popularity", for the item''s own popularity (the only row for a user of whom nothing was learned); "bias", for biases and constants; "rest", what his items do not explain. No rows for a NULL or unknown user or item; a NULL model is the default one. Never trained: 55000; unknown model: 42704; no USAGE on its schema: 42501; ids of another type: 42804; damaged bytes: XX001.';
COMMENT ON FUNCTION commrec.explain(uuid, uuid, text) IS
'The same as commrec.explain(bigint, bigint, text), for models whose users and items have uuids.';
COMMENT ON FUNCTION commrec.explain(text, text, text) IS
'The same as commrec.explain(bigint, bigint, text), for every model: ids are given and returned as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.explain_typed(model text, user_id "any", item_id "any")
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 30 COST 5000
AS 'MODULE_PATHNAME', 'commrec_explain_typed';
COMMENT ON FUNCTION commrec.explain_typed(text, "any", "any") IS
'What the function "explain" of a model''s schema calls: as commrec.explain(), with the caller''s column definition list (rank integer, item_id ..., confidence double precision, contribution double precision, source text).';

CREATE FUNCTION commrec.similar_users(user_id bigint, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (rank integer, user_id bigint, similarity real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 50000
AS 'MODULE_PATHNAME', 'commrec_similar_users';

CREATE FUNCTION commrec.similar_users(user_id uuid, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (rank integer, user_id uuid, similarity real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 50000
AS 'MODULE_PATHNAME', 'commrec_similar_users';

CREATE FUNCTION commrec.similar_users(user_id text, k integer DEFAULT 10, model text DEFAULT NULL)
RETURNS TABLE (rank integer, user_id text, similarity real)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 50000
AS 'MODULE_PATHNAME', 'commrec_similar_users';

COMMENT ON FUNCTION commrec.similar_users(bigint, integer, text) IS
'The k users nearest to a user, by cosine of their embeddings or, where the algorithm scores by lists, of how much they want each item (-1 to 1; ties by id), the user himself and users of whom nothing was learned left out. All users are compared, which takes about a microsecond each. No rows for a NULL or unknown user, and none from a model of popularity alone; a NULL k is 10, a NULL model the default one. k below 1: 22023; unknown model: 42704; no USAGE on its schema: 42501; never trained: 55000; ids of another type: 42804.';
COMMENT ON FUNCTION commrec.similar_users(uuid, integer, text) IS
'The same as commrec.similar_users(bigint, integer, text), for models whose users have uuids.';
COMMENT ON FUNCTION commrec.similar_users(text, integer, text) IS
'The same as commrec.similar_users(bigint, integer, text), for every model: ids are given and returned as text. Text that is no id of the model''s type: 22P02.';

CREATE FUNCTION commrec.similar_users_typed(model text, user_id "any", k integer)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 50000
AS 'MODULE_PATHNAME', 'commrec_similar_users_typed';
COMMENT ON FUNCTION commrec.similar_users_typed(text, "any", integer) IS
'What the function "similar_users" of a model''s schema calls: as commrec.similar_users(), with the caller''s column definition list (rank integer, user_id ..., similarity real).';

CREATE FUNCTION commrec.popular(k integer DEFAULT 10, since timestamptz DEFAULT NULL, kind text DEFAULT 'decay',
	model text DEFAULT NULL)
RETURNS TABLE (rank integer, item_id text, score double precision)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 20000
AS 'MODULE_PATHNAME', 'commrec_popular';
COMMENT ON FUNCTION commrec.popular(integer, timestamptz, text, text) IS
'The k most popular items, ids as text. kind "decay": the sum of preferences, decayed with the version''s popularity_half_life; without since as recommend() shows it to unknown users. "wilson": lower end of the 95 % interval (Wilson 1927) of the share of readers who were satisfied (mean signal of at least 0.5 or, without any signal, a preference above 0). "trending": readers since a time, by default the newest seven buckets, over those expected from the item''s share of all readers, shrunk to 1 as spread factors are (Marshall 1991). since: from the stretch of time in the table item_activity that holds it on; NULL: all of the time. Ties go to the item with more readers, then by id. A NULL k is 10, a NULL kind "decay", a NULL model the default one. Unknown kind or k below 1: 22023; infinite time: 22008; never trained, or no time column where a time is needed: 55000; unknown model: 42704; no USAGE on its schema: 42501.';

CREATE FUNCTION commrec.popular_typed(model text, k integer, since timestamptz, kind text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 10 COST 20000
AS 'MODULE_PATHNAME', 'commrec_popular_typed';
COMMENT ON FUNCTION commrec.popular_typed(text, integer, timestamptz, text) IS
'What the function "popular" of a model''s schema calls: as commrec.popular(), with the caller''s column definition list (rank integer, item_id ..., score double precision).';

CREATE FUNCTION commrec.unpack_neighbors(neighbors bytea)
RETURNS TABLE(item_no integer, weight real)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 100 COST 100
AS 'MODULE_PATHNAME', 'commrec_unpack_neighbors';
COMMENT ON FUNCTION commrec.unpack_neighbors(bytea) IS
'The items that go with an item, from the column neighbors of a model''s table item_neighbor, by ascending item_no, each with its weight: how much a user who wants the one is held to want the other. No rows for NULL. Damaged: XX001; a newer format: 0A000.';

-- ---------------------------------------------------------------------------
-- Forgetting a user
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.user_hash(key bytea, user_id text) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'commrec_user_hash';
COMMENT ON FUNCTION commrec.user_hash(bytea, text) IS
'HMAC-SHA256 of an id as text: what the table "forgotten" of a model keeps of a user. NULL for NULL.';

CREATE FUNCTION commrec.forget_materialized(schema_name name, user_type text, user_id text)
RETURNS TABLE (state text, what text, rows bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	target oid;
	item_type text := (SELECT format_type(a.atttypid, NULL) FROM pg_attribute AS a
		WHERE a.attrelid = format('%I.item_embedding', schema_name)::regclass AND a.attname = 'item_id');
BEGIN
	FOR target IN
		SELECT k.conrelid FROM pg_constraint AS k
		WHERE k.conname = 'made_by_commrec_materialize' AND obj_description(k.conrelid, 'pg_class')
			= format('Recommendations of model "%s" for all its users; filled by commrec.materialize()', schema_name)
		ORDER BY k.conrelid::regclass::text COLLATE "C"
	LOOP
		BEGIN
			PERFORM commrec.check_target(target, ARRAY['user_id ' || user_type, 'rank integer', 'item_id ' || item_type,
				'score real', 'source text']);
			EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', target::regclass);
			-- Asked again: now nobody can alter it any more.
			PERFORM commrec.check_target(target, ARRAY['user_id ' || user_type, 'rank integer', 'item_id ' || item_type,
				'score real', 'source text']);
			EXECUTE format('DELETE FROM ONLY %s AS t WHERE t.user_id = $1::%s', target::regclass,
				replace(replace(user_type, 'smallint', 'bigint'), 'integer', 'bigint')) USING user_id;
			GET DIAGNOSTICS rows = ROW_COUNT;
			state := 'removed';
			what := format('recommendations in %s', commrec.relation_name(target));
		EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
			state := 'not removed';
			what := format('recommendations in %s: %s', commrec.relation_name(target), SQLERRM);
			rows := NULL;
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.forget_materialized(name, text, text) IS
'Removes a user from the tables that commrec.materialize() has made of a model, as far as the caller owns them and nobody has altered them.';

CREATE FUNCTION commrec.remember_forgotten(schema_name name, user_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_new boolean;
BEGIN
	EXECUTE format('INSERT INTO %I.forget_key (key) VALUES (decode(replace($1, ''-'', ''''), ''hex'')) ON CONFLICT DO NOTHING',
		schema_name) USING gen_random_uuid()::text || gen_random_uuid()::text;
	EXECUTE format('INSERT INTO %1$I.forgotten (user_hash) SELECT commrec.user_hash(k.key, $1) FROM %1$I.forget_key AS k '
		'ON CONFLICT DO NOTHING', schema_name) USING user_id;
	GET DIAGNOSTICS is_new = ROW_COUNT;
	RETURN is_new;
END
$$;
COMMENT ON FUNCTION commrec.remember_forgotten(name, text) IS
'Puts a user, his id as text, on the list of those who are left out; false if he was on it.';

CREATE FUNCTION commrec.forget_user(model text, user_id text, id_type regtype)
RETURNS TABLE (state text, what text, rows bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name := (SELECT n.nspname FROM pg_namespace AS n WHERE n.oid = commrec.model_schema(model));
	stored regtype;
	wide text;
	is_new boolean;
	removed bigint := 0;
BEGIN
	PERFORM commrec.require_owner(schema_name::text);
	IF user_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'user_id must not be null',
			HINT = 'Say whom to forget.';
	ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		-- An older snapshot would not show the rows of a training that has just been committed.
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
			MESSAGE = format('commrec.forget() cannot run in a transaction that is %s', current_setting('transaction_isolation')),
			HINT = 'Use the isolation level READ COMMITTED.';
	END IF;
	PERFORM commrec.lock_model(schema_name::text);
	-- Asked again: while this waited, somebody else may have dropped or altered it.
	PERFORM commrec.require_owner(schema_name::text);
	SELECT a.atttypid INTO STRICT stored FROM pg_attribute AS a
	WHERE a.attrelid = format('%I.user_embedding', schema_name)::regclass AND a.attname = 'user_id';
	wide := CASE WHEN stored IN ('smallint'::regtype, 'integer'::regtype) THEN 'bigint' ELSE stored::text END;
	IF id_type <> 'text'::regtype AND id_type::text <> wide THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
			MESSAGE = format('users of model "%s" have ids of type %s, not %s', schema_name, stored, id_type),
			HINT = 'Give the id as text, or as its own type.';
	END IF;
	-- As the id is written, so that 042 and an uuid in capitals are who they are.
	EXECUTE format('SELECT $1::%s::text', wide) INTO user_id USING user_id;

	FOREACH what IN ARRAY '{user_embedding,user_activity}'::text[] LOOP
		EXECUTE format('DELETE FROM %I.%I AS t WHERE t.user_id = $1::%s', schema_name, what, wide) USING user_id;
		GET DIAGNOSTICS rows = ROW_COUNT;
		removed := removed + rows;
		state := 'removed';
		what := format('his rows in %I.%I%s', schema_name, what,
			CASE WHEN what = 'user_embedding' THEN ', of all versions: embedding, seen items, preferences' ELSE '' END);
		RETURN NEXT;
	END LOOP;
	RETURN QUERY SELECT m.state, m.what, m.rows FROM commrec.forget_materialized(schema_name, stored::text, user_id) AS m;

	is_new := commrec.remember_forgotten(schema_name, user_id);
	RETURN QUERY SELECT * FROM (VALUES
		('remembered', format('a keyed hash of his id in %I.forgotten: whatever reads the events for this model leaves him out%s',
			schema_name, CASE WHEN is_new THEN '' ELSE ', as it did before' END), is_new::integer::bigint),
		('next training', format('his part in %1$I.item_embedding, %1$I.item_block, %1$I.item_neighbor, %1$I.fold_in, %1$I.trending: embeddings and popularity of items, '
			'which older versions have as long as commrec.keep_versions keeps them', schema_name), NULL),
		('next training', format('his part in %1$I.item_spread, %1$I.spread_factor, %1$I.item_activity: sums over all users',
			schema_name), NULL),
		('not removed', format('his events in %s, which commrec only reads',
			(SELECT commrec.relation_name(commrec.find_source(schema_name)))), NULL),
		('not removed', format('what %1$I.version, %1$I.job, %1$I.evaluation, %1$I.metric and %1$I.trial say of all users together', schema_name), NULL),
		('not removed', 'copies beyond these tables: dead rows until VACUUM, write-ahead log, server log, replicas, backups, answers that somebody has saved', NULL))
		AS r (state, what, rows)
	-- Where nothing was stored, and he was not on the list before, no training has known him.
	WHERE r.state <> 'next training' OR removed > 0 OR NOT is_new;
END
$$;
COMMENT ON FUNCTION commrec.forget_user(text, text, regtype) IS
'What commrec.forget() does, with the id as text and the type in which it was given.';

CREATE FUNCTION commrec.forget(user_id bigint, model text DEFAULT NULL)
RETURNS TABLE (state text, what text, rows bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$ SELECT f.* FROM commrec.forget_user($2, $1::text, 'bigint') AS f $$;

CREATE FUNCTION commrec.forget(user_id uuid, model text DEFAULT NULL)
RETURNS TABLE (state text, what text, rows bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$ SELECT f.* FROM commrec.forget_user($2, $1::text, 'uuid') AS f $$;

CREATE FUNCTION commrec.forget(user_id text, model text DEFAULT NULL)
RETURNS TABLE (state text, what text, rows bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$ SELECT f.* FROM commrec.forget_user($2, $1, 'text') AS f $$;

COMMENT ON FUNCTION commrec.forget(bigint, text) IS
'Makes a model, of which the caller must be owner (42501), forget a user, in the caller''s transaction: deletes his embedding, seen items and preferences in all versions, his knowledge spread and satisfaction, and his rows in the tables of commrec.materialize() that the caller owns; and remembers a keyed hash of his id (HMAC-SHA256 under a random key of the model), so that train(), refresh(), evaluate(), tune() and recommend(fresh => true) leave him out although his events are still there. Waits for a training to end. The rows returned are the receipt: state "removed" with the number of rows, "remembered", "next training" (what goes when the model is trained again) and "not removed" (what commrec cannot remove). A user whom the model does not know is remembered as well. A NULL model is the default one. NULL user: 22004; unknown model: 42704; ids of another type: 42804; isolation level above READ COMMITTED: 0A000; read-only transaction: 25006.';
COMMENT ON FUNCTION commrec.forget(uuid, text) IS
'The same as commrec.forget(bigint, text), for models whose users have uuids.';
COMMENT ON FUNCTION commrec.forget(text, text) IS
'The same as commrec.forget(bigint, text), for every model: the user is given as text. Text that is no id of the model''s type: 22P02.';

-- ---------------------------------------------------------------------------
-- 11  Views, privileges
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.is_as_made(relation oid, columns text[]) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.relkind = 'r' AND NOT c.relrowsecurity AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
		AND columns <@ (
			SELECT pg_catalog.array_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod))
			FROM pg_catalog.pg_attribute AS a
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
		AND NOT EXISTS (
			SELECT FROM pg_catalog.pg_index AS i
			WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL
				OR pg_catalog.pg_get_expr(i.indpred, i.indrelid) <> 'deployed'))
		AND NOT EXISTS (
			SELECT FROM pg_catalog.pg_constraint AS k
			WHERE k.conrelid = c.oid AND k.contype = 'c' AND pg_catalog.pg_get_constraintdef(k.oid) <> 'CHECK (only_row)')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext AS s WHERE s.stxrelid = c.oid)
	FROM pg_catalog.pg_class AS c
	WHERE c.oid = relation
$$;
COMMENT ON FUNCTION commrec.is_as_made(oid, text[]) IS
'May the caller read this table of somebody''s model without running anything of his? It must be a plain table with these columns ("name type"), without row security and without expressions in indexes, constraints or statistics that commrec did not put there, which the planner would evaluate.';

CREATE FUNCTION commrec.list_models()
RETURNS TABLE (model text, schema name, owner name, events text, algorithm text, rows bigint, users bigint,
	items bigint, versions bigint, deployed_version integer, trained_at timestamptz, age interval, state text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	table_oid oid;
	version_oid oid;
	source_oid oid;
	is_readable boolean;
BEGIN
	FOR table_oid, version_oid, schema, owner, state IN
		SELECT c.oid, v.oid, n.nspname, r.rolname, l.state
		FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace
			JOIN pg_roles AS r ON r.oid = c.relowner
			LEFT JOIN pg_class AS v ON v.relnamespace = c.relnamespace AND v.relname = 'version'
			-- Who asks does not train: he may have altered the model in this transaction.
			LEFT JOIN (SELECT DISTINCT t.schema, 'training' FROM commrec.training_locks() AS t
					   WHERE t.pid IS DISTINCT FROM pg_backend_pid()) AS l (schema, state)
				ON l.schema = c.relnamespace
		WHERE c.relname = 'commrec_model' AND c.relkind = 'r' AND c.relpersistence <> 't'
			AND has_schema_privilege(n.oid, 'USAGE')
		ORDER BY n.nspname
	LOOP
		model := schema;
		events := NULL; algorithm := NULL; rows := NULL; users := NULL; items := NULL;
		versions := NULL; deployed_version := NULL; trained_at := NULL; age := NULL; source_oid := NULL;
		is_readable := commrec.is_as_made(table_oid,
			'{model text,events text,events_oid oid,model_oid oid,algorithm text}');
		BEGIN
			IF is_readable THEN
				EXECUTE format('SELECT m.model, m.events, m.algorithm FROM ONLY %I.commrec_model AS m', schema)
				INTO model, events, algorithm;
				source_oid := commrec.find_source(schema);
				events := coalesce(commrec.relation_name(source_oid), events);
			END IF;
			IF commrec.is_as_made(version_oid, '{version integer,trained_at timestamp with time zone,events bigint,'
				'users bigint,items bigint,deployed boolean}') THEN
				EXECUTE format('SELECT count(*) FROM ONLY %I.version AS v', schema) INTO versions;
				EXECUTE format('SELECT v.events, v.users, v.items, v.version, v.trained_at FROM ONLY %I.version AS v '
					'WHERE v.deployed', schema)
				INTO rows, users, items, deployed_version, trained_at;
				age := now() - trained_at;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			-- Dropped at this moment, or written by somebody else: it must not hide the other models.
			is_readable := false;
		END;
		state := CASE WHEN state IS NOT NULL THEN state
			WHEN is_readable AND source_oid IS NULL THEN 'source missing'
			WHEN deployed_version IS NOT NULL THEN 'trained'
			WHEN versions IS NOT NULL THEN 'untrained' END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.list_models() IS
'What the view commrec.models shows.';

CREATE VIEW commrec.models AS
SELECT m.model, m.schema, m.owner, m.events, m.algorithm, m.rows, m.users, m.items, m.versions,
	m.deployed_version, m.trained_at, m.age, m.state
FROM commrec.list_models() AS m;
COMMENT ON VIEW commrec.models IS
'All models whose schema the caller may use. Figures are those of the deployed version; NULL where the caller has no SELECT on the model''s tables commrec_model and version.';
COMMENT ON COLUMN commrec.models.model IS 'name of the model; the schema''s where commrec_model may not be read';
COMMENT ON COLUMN commrec.models.schema IS 'schema that holds it';
COMMENT ON COLUMN commrec.models.owner IS 'who may train, change and drop it';
COMMENT ON COLUMN commrec.models.events IS 'events relation, qualified and quoted';
COMMENT ON COLUMN commrec.models.algorithm IS 'what trains it';
COMMENT ON COLUMN commrec.models.rows IS 'events that the deployed version was trained on';
COMMENT ON COLUMN commrec.models.users IS 'users in them';
COMMENT ON COLUMN commrec.models.items IS 'items in them';
COMMENT ON COLUMN commrec.models.versions IS 'training runs so far';
COMMENT ON COLUMN commrec.models.deployed_version IS 'version that serves';
COMMENT ON COLUMN commrec.models.trained_at IS 'when its training began';
COMMENT ON COLUMN commrec.models.age IS 'how long ago that was';
COMMENT ON COLUMN commrec.models.state IS 'training; source missing (the events relation is gone; a trained model still serves); trained; untrained (no version is deployed); NULL: not for the caller to see';

-- Algorithms: the descriptors of the library, core/algorithms.h.

CREATE FUNCTION commrec.describe_algorithms()
RETURNS TABLE (algorithm text, scorer text, meaning text, place integer, hyperparameter text, type text, allowed text,
	"default" text, searched text, hyperparameter_meaning text)
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 80
AS 'MODULE_PATHNAME', 'commrec_describe_algorithms';
COMMENT ON FUNCTION commrec.describe_algorithms() IS
'What the views commrec.algorithms and commrec.hyperparameters show: a row for each hyperparameter of each algorithm.';

CREATE VIEW commrec.algorithms AS
SELECT DISTINCT d.algorithm, d.scorer, d.meaning FROM commrec.describe_algorithms() AS d;
COMMENT ON VIEW commrec.algorithms IS
'What a model can be trained with: the argument algorithm of commrec.create_model() and commrec.alter_model().';
COMMENT ON COLUMN commrec.algorithms.algorithm IS 'its name';
COMMENT ON COLUMN commrec.algorithms.scorer IS 'how it scores an item for a user: by the inner product of their embeddings, by lists of items that go with the user''s own, by popularity alone, or as the algorithm does that is chosen';
COMMENT ON COLUMN commrec.algorithms.meaning IS 'what it does';

CREATE VIEW commrec.hyperparameters AS
SELECT d.algorithm, d.place, d.hyperparameter, d.type, d.allowed, d."default", d.searched, d.hyperparameter_meaning AS meaning
FROM commrec.describe_algorithms() AS d;
COMMENT ON VIEW commrec.hyperparameters IS 'The hyperparameters of each algorithm, in the order of their importance.';
COMMENT ON COLUMN commrec.hyperparameters.algorithm IS 'the algorithm';
COMMENT ON COLUMN commrec.hyperparameters.place IS 'their order';
COMMENT ON COLUMN commrec.hyperparameters.hyperparameter IS 'key in the jsonb of hyperparameters';
COMMENT ON COLUMN commrec.hyperparameters.type IS 'integer, number, or choice of some words';
COMMENT ON COLUMN commrec.hyperparameters.allowed IS 'what it must be';
COMMENT ON COLUMN commrec.hyperparameters."default" IS 'what it is if not given; NULL: chosen from the data';
COMMENT ON COLUMN commrec.hyperparameters.searched IS 'what commrec.tune() tries unless told; NULL: the model''s value alone';
COMMENT ON COLUMN commrec.hyperparameters.meaning IS 'what it does';

CREATE VIEW commrec.progress AS
SELECT l.pid,
	coalesce(pg_catalog.substring(h.head, '^commrec: training (.*), [^,]*$'),
		pg_catalog.substring(h.head, '^commrec: training (.*)$'), n.nspname::text) AS model,
	coalesce(pg_catalog.substring(h.head, '^commrec: training .*, ([^,]*)$'),
		CASE WHEN h.tail LIKE ', epoch %' THEN 'training' END) AS phase,
	pg_catalog.substring(h.tail, '^, epoch (\d{1,9})/')::integer AS epoch,
	pg_catalog.substring(h.tail, '^, epoch \d+/(\d{1,9}),')::integer AS epochs,
	pg_catalog.substring(h.tail, '(users|items)') AS side,
	pg_catalog.substring(h.tail, ', ([0-9]{1,3}(?:\.[0-9]+)?) %')::double precision AS percent,
	pg_catalog.make_interval(secs => pg_catalog.substring(h.tail, ', (\d{1,9}) s left$')::double precision) AS time_left,
	a.query_start AS since
FROM commrec.training_locks() AS l
	JOIN pg_catalog.pg_namespace AS n ON n.oid = l.schema
	JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
	LEFT JOIN LATERAL (
		SELECT pg_catalog.left(a.query, pg_catalog.length(a.query) - pg_catalog.length(t.tail)), t.tail
		FROM pg_catalog.substring(a.query, '(?:, epoch \d+/\d+(?:, (?:users|items))?)?(?:, [0-9.]+ %)?(?:, \d+ s left)?$') AS t (tail)
		WHERE a.query LIKE 'commrec: training %') AS h (head, tail) ON true
WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE')
	-- Others take the lock, too, to alter a model or to deploy.
	AND (a.query LIKE 'commrec: training %' OR a.query = '<insufficient privilege>');
COMMENT ON VIEW commrec.progress IS
'The trainings that run now in this database, of models that the caller may use. What the text in pg_stat_activity says of them is NULL where the caller may not read it (pg_read_all_stats).';
COMMENT ON COLUMN commrec.progress.pid IS 'process that trains';
COMMENT ON COLUMN commrec.progress.model IS 'name of the model; its schema''s where the text may not be read';
COMMENT ON COLUMN commrec.progress.phase IS 'what it does';
COMMENT ON COLUMN commrec.progress.epoch IS 'pass over users and items, from 1; NULL outside the epochs';
COMMENT ON COLUMN commrec.progress.epochs IS 'number of passes planned';
COMMENT ON COLUMN commrec.progress.side IS 'half of the pass: users or items; NULL where the algorithm has no halves';
COMMENT ON COLUMN commrec.progress.percent IS 'how much of the passes is done, 0 to 100';
COMMENT ON COLUMN commrec.progress.time_left IS 'estimate for the rest of the passes';
COMMENT ON COLUMN commrec.progress.since IS 'when the statement began';

CREATE FUNCTION commrec.list_jobs()
RETURNS TABLE (model text, job bigint, started timestamptz, ended timestamptz, mode text, decided text, reason text,
	outcome text, sqlstate text, message text, version integer, detail jsonb)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 100 COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema_name name;
	job_oid oid;
BEGIN
	FOR schema_name, job_oid IN
		SELECT n.nspname, j.oid
		FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace
			JOIN pg_class AS j ON j.relnamespace = c.relnamespace AND j.relname = 'job'
		WHERE c.relname = 'commrec_model' AND c.relkind = 'r' AND c.relpersistence <> 't'
			AND has_schema_privilege(n.oid, 'USAGE')
		ORDER BY n.nspname
	LOOP
		CONTINUE WHEN NOT commrec.is_as_made(job_oid, '{job bigint,started timestamp with time zone,'
			'ended timestamp with time zone,mode text,decided text,reason text,outcome text,sqlstate text,message text,'
			'version integer,detail jsonb}');
		BEGIN
			RETURN QUERY EXECUTE format('SELECT %L::text, j.job, j.started, j.ended, j.mode, j.decided, j.reason, j.outcome, '
				'j.sqlstate, j.message, j.version, j.detail FROM ONLY %I.job AS j', schema_name, schema_name);
		EXCEPTION WHEN undefined_table OR undefined_column THEN
			-- Dropped at this moment: it must not hide the others.
			CONTINUE;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.list_jobs() IS
'What the view commrec.job shows.';

CREATE VIEW commrec.job AS
SELECT j.model, j.job, j.started, j.ended, j.mode, j.decided, j.reason, j.outcome, j.sqlstate, j.message, j.version, j.detail
FROM commrec.list_jobs() AS j;
COMMENT ON VIEW commrec.job IS
'Runs of commrec.refresh(), of all models whose table "job" the caller may read.';
COMMENT ON COLUMN commrec.job.model IS 'schema of the model';
COMMENT ON COLUMN commrec.job.job IS 'number of the run, by model';
COMMENT ON COLUMN commrec.job.started IS 'when it began';
COMMENT ON COLUMN commrec.job.ended IS 'when it ended; NULL: it runs, or its session is gone';
COMMENT ON COLUMN commrec.job.mode IS 'what was asked for: auto, retrain, fold_in';
COMMENT ON COLUMN commrec.job.decided IS 'what was done: retrain, fold_in, nothing; NULL: it did not get so far';
COMMENT ON COLUMN commrec.job.reason IS 'why';
COMMENT ON COLUMN commrec.job.outcome IS 'running, done, skipped (another one was at work) or failed';
COMMENT ON COLUMN commrec.job.sqlstate IS 'SQLSTATE of the error; NULL: none';
COMMENT ON COLUMN commrec.job.message IS 'message of the error; NULL: none';
COMMENT ON COLUMN commrec.job.version IS 'version that it has trained, or that serves';
COMMENT ON COLUMN commrec.job.detail IS 'what was folded in: events, those that wait, users, items';

GRANT USAGE ON SCHEMA commrec TO PUBLIC;
GRANT SELECT ON commrec.models, commrec.progress, commrec.job, commrec.algorithms, commrec.hyperparameters TO PUBLIC;

-- What trains or changes a model, and what only that uses, is for those who were granted it:
-- GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO ...
REVOKE EXECUTE ON FUNCTION
	commrec.create_model(text, regclass, name, name, name, name, name, text, jsonb, interval, name, text),
	commrec.alter_model(text, jsonb, text, interval, regclass, name, name, name, name, name, text, boolean, text),
	commrec.drop_model(text, boolean),
	commrec.create_filter(text, text, regclass, text, name, text),
	commrec.refresh_filter(text, text),
	commrec.drop_filter(text, text),
	commrec.pack_filter(name, text, integer),
	commrec.evaluate_filter(name, text),
	commrec.require_filter(name, text, text),
	commrec.filter_column(name, oid, name),
	commrec.publish_filters(name, integer),
	commrec.train(text, jsonb, integer, commrec.deployment, boolean, boolean, boolean),
	commrec.evaluate(text, integer, timestamptz, regclass, integer[], text[], regclass, boolean, text, double precision, jsonb, integer, integer, double precision, integer, integer, boolean, boolean),
	commrec.deploy(text, integer),
	commrec.rollback(text),
	commrec.lock_model(text),
	commrec.check_model_name(text),
	commrec.check_model_free(text),
	commrec.source_column(oid, name),
	commrec.source_id_type(oid, name),
	commrec.check_source_type(oid, name, text[], text),
	commrec.check_source(oid, name, name, name, name, name),
	commrec.prepare_schema(text, name),
	commrec.create_tables(name, regtype, regtype),
	commrec.comment_tables(name),
	commrec.create_functions(name),
	commrec.count_actions(name, text),
	commrec.count_ids(name, text),
	commrec.estimate_events(name, text),
	commrec.add_actions(name, text[], double precision[], double precision[]),
	commrec.look_at_events(name, text),
	commrec.describe_model(name),
	commrec.describe_next(name),
	commrec.merge_hyperparameters(text, jsonb, jsonb),
	commrec.rename_model(name, text, text),
	commrec.alter_source(name, oid, name, name, name, name, name),
	commrec.split_target(text, name),
	commrec.check_target(oid, text[]),
	commrec.create_target(name, name, text, text, text),
	commrec.forget_materialized(name, text, text),
	commrec.remember_forgotten(name, text),
	commrec.forget_user(text, text, regtype),
	commrec.forget(bigint, text),
	commrec.forget(uuid, text),
	commrec.forget(text, text)
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
	commrec.ials(bigint, bigint, double precision, jsonb),
	commrec.ials(text, text, double precision, jsonb)
FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE commrec.tune(text, jsonb, integer, interval, text, text, integer, boolean, integer, integer, integer, boolean, boolean) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE commrec.refresh(text, text, text, jsonb, commrec.deployment, integer, double precision, interval, boolean) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE commrec.materialize(text, text, integer, boolean, integer, name) FROM PUBLIC;
