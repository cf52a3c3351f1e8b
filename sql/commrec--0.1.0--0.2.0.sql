-- commrec--0.1.0--0.2.0.sql: what 0.2.0 adds to 0.1.0, in a new database as well.
--
-- What holds for the first script holds here.  Models belong to their owners: of them this script
-- touches nothing but the definition of tables, so that nothing of an owner's runs as the superuser
-- who updates the extension.

\echo Use "ALTER EXTENSION commrec UPDATE TO '0.2.0'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Which release this is
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.library_version() RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'commrec_library_version';
COMMENT ON FUNCTION commrec.library_version() IS
'Release of the library that this session has loaded.';

CREATE FUNCTION commrec.version(OUT library text, OUT extension text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT commrec.library_version(), e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'commrec'
$$;
COMMENT ON FUNCTION commrec.version() IS
'Release of the library that this session has loaded, and of the SQL objects in this database. Where the library is the newer one, ALTER EXTENSION commrec UPDATE makes them the same; until then both work. Where it is the older one, the session began before the library was replaced: connect again.';

-- ---------------------------------------------------------------------------
-- Models that an earlier version has made
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.update_tables(model text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	namespace oid := commrec.require_owner(model);
	schema_name name := (SELECT n.nspname FROM pg_namespace AS n WHERE n.oid = namespace);
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
				   WHERE c.relnamespace = namespace AND c.relname = 'version' AND a.attname = 'library'
					AND a.atttypid = 'text'::regtype) THEN
		EXECUTE format('ALTER TABLE %I.version ADD COLUMN library text', schema_name);
		EXECUTE format('COMMENT ON COLUMN %I.version.library IS %L', schema_name,
			'release of commrec that trained it; NULL: 0.1.0, or the model was as 0.1.0 had made it');
	END IF;
END
$$;
COMMENT ON FUNCTION commrec.update_tables(text) IS
'Adds to the tables of a model, of which the caller must be owner (42501), what an earlier version of commrec did not make. Data definition alone: nothing of the owner''s runs. NULL model: 22004; unknown: 42704; a column of that name and another type: 42701.';

CREATE FUNCTION commrec.update_models() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 100000
-- Whoever reads a model waits behind this: better to leave one that is in use as it is.
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $$
DECLARE
	schema_name name;
	version_oid oid;
BEGIN
	FOR schema_name, version_oid IN
		SELECT n.nspname, v.oid
		FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace
			-- Anybody may call a table commrec_model: this does not make him owner of another one beside it.
			JOIN pg_class AS v ON v.relnamespace = c.relnamespace AND v.relname = 'version' AND v.relowner = c.relowner
		WHERE c.relname = 'commrec_model' AND c.relkind = 'r' AND c.relpersistence <> 't'
			AND pg_has_role(c.relowner, 'USAGE')
		ORDER BY n.nspname
	LOOP
		BEGIN
			IF NOT commrec.is_as_made(version_oid, '{version integer,trained_at timestamp with time zone,algorithm text,'
				'hyperparameters jsonb,memory_planned bigint,metrics jsonb,deployed boolean}') THEN
				RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
					MESSAGE = 'table "version" has been altered';
			END IF;
			PERFORM commrec.update_tables(schema_name);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING USING ERRCODE = SQLSTATE,
				MESSAGE = format('the tables of model "%s" stay as they are: %s', schema_name, SQLERRM),
				HINT = format('The model goes on as before. Its owner brings it up to date: SELECT commrec.alter_model(%L)', schema_name);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION commrec.update_models() IS
'Adds to the tables of all models of the caller''s, for a superuser all there are, what an earlier version of commrec did not make; ALTER EXTENSION commrec UPDATE does this. A model that is in use, or whose table "version" was altered, stays as it is, with a WARNING.';
REVOKE EXECUTE ON FUNCTION commrec.update_models() FROM PUBLIC;

CREATE OR REPLACE FUNCTION commrec.create_model(model text, events regclass, user_column name DEFAULT 'user_id',
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
	PERFORM commrec.update_tables(schema_name);
	PERFORM commrec.create_functions(schema_name);

	RETURN QUERY SELECT d.property, d.value FROM commrec.describe_model(schema_name) AS d;
	RETURN QUERY SELECT l.property, l.value FROM commrec.look_at_events(schema_name, search_path) AS l;
	RETURN QUERY SELECT n.property, n.value FROM commrec.describe_next(schema_name) AS n;
END
$$;

CREATE OR REPLACE FUNCTION commrec.alter_model(model text, hyperparameters jsonb DEFAULT NULL, algorithm text DEFAULT NULL,
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
	PERFORM commrec.update_tables(schema_name);
	PERFORM commrec.create_functions(schema_name);

	RETURN QUERY SELECT d.property, d.value FROM commrec.describe_model(schema_name) AS d;
	IF reads_anew THEN
		RETURN QUERY SELECT l.property, l.value FROM commrec.look_at_events(schema_name, search_path) AS l;
	END IF;
	RETURN QUERY SELECT n.property, n.value FROM commrec.describe_next(schema_name) AS n;
END
$$;
COMMENT ON FUNCTION commrec.alter_model(text, jsonb, text, interval, regclass, name, name, name, name, name, text, boolean, text) IS
'Changes a model, of which the caller must be owner (42501), and waits for a training of it to end. NULL leaves as it is. hyperparameters are laid over those stored; a JSON null removes one. '''' as action_column, time_column or value_column: none. Actions that are new in the events are added. Ids must keep their type (42804). rename_to renames the model, and its schema if that bears the model''s name. fresh: whether recommend() folds in events since the training unless it is told; this shows at once, everything else after the next training. The model''s functions are made anew where they were lost, as after DROP EXTENSION, and a model that an earlier version of commrec has made gets what it lacks: commrec.models shows which one does. Other errors as in create_model; NULL model: 22004; unknown: 42704.';

DO $$ BEGIN PERFORM commrec.update_models(); END $$;

-- ---------------------------------------------------------------------------
-- What commrec.models shows
-- ---------------------------------------------------------------------------

CREATE FUNCTION commrec.inspect_model(schema_name name, OUT bytes bigint, OUT folded_events bigint, OUT up_to_date boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $$
DECLARE
	namespace oid;
	version_oid oid;
	fold_in_oid oid;
BEGIN
	SELECT n.oid INTO namespace FROM pg_namespace AS n
	WHERE n.nspname = schema_name AND has_schema_privilege(n.oid, 'USAGE');
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT max(c.oid) FILTER (WHERE c.relname = 'version'), max(c.oid) FILTER (WHERE c.relname = 'fold_in')
	INTO version_oid, fold_in_oid
	FROM pg_class AS c WHERE c.relnamespace = namespace;
	up_to_date := EXISTS (SELECT FROM pg_attribute AS a
						  WHERE a.attrelid = version_oid AND a.attname = 'library' AND a.atttypid = 'text'::regtype)
		AND 10 = (SELECT count(DISTINCT p.proname)
				  FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
					JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
				  WHERE p.pronamespace = namespace AND d.deptype = 'x' AND e.extname = 'commrec'
					AND p.proname IN ('recommend', 'recommend_all', 'similar_items', 'score', 'explain', 'similar_users',
						'popular', 'knowledge_spread', 'satisfaction', 'satisfaction_detail'));
	BEGIN
		SELECT sum(pg_total_relation_size(c.oid)) INTO bytes
		FROM pg_class AS c WHERE c.relnamespace = namespace AND c.relkind = 'r';
		IF commrec.is_as_made(version_oid, '{version integer,deployed boolean}')
			AND commrec.is_as_made(fold_in_oid, '{version integer,folded_events bigint}') THEN
			EXECUTE format('SELECT f.folded_events FROM ONLY %1$I.version AS v JOIN ONLY %1$I.fold_in AS f '
				'ON f.version = v.version WHERE v.deployed', schema_name)
			INTO folded_events;
		END IF;
	EXCEPTION WHEN OTHERS THEN
		NULL;					-- locked, dropped or altered at this moment: it must not hide the models
	END;
END
$$;
COMMENT ON FUNCTION commrec.inspect_model(name) IS
'What the view commrec.models shows of a model''s tables and functions. NULL where the caller may not know.';

CREATE OR REPLACE VIEW commrec.models AS
SELECT m.model, m.schema, m.owner, m.events, m.algorithm, m.rows, m.users, m.items, m.versions,
	m.deployed_version, m.trained_at, m.age, m.state, i.bytes, i.folded_events, i.up_to_date
FROM commrec.list_models() AS m CROSS JOIN LATERAL commrec.inspect_model(m.schema) AS i;
COMMENT ON COLUMN commrec.models.bytes IS 'what the tables of its schema take on disk, with their indexes; NULL: one of them is locked';
COMMENT ON COLUMN commrec.models.folded_events IS 'events since the training that commrec.refresh() has folded into the deployed version; NULL without SELECT on the model''s tables version and fold_in';
COMMENT ON COLUMN commrec.models.up_to_date IS 'has it the tables and functions that this version of commrec makes? If not, it serves and trains all the same, and commrec.alter_model() gives it what it lacks';

-- ---------------------------------------------------------------------------
-- What tune() takes for the best
-- ---------------------------------------------------------------------------

COMMENT ON PROCEDURE commrec.tune(text, jsonb, integer, interval, text, text, integer, boolean, integer, integer, integer, boolean, boolean) IS
'Searches for good hyperparameters: CALL commrec.tune(''courses''). Trial 1 has those of the model, the others draw what is searched, by seed; all are judged on the first fold, the better third and trial 1 on the second, too, and so on. Of those whose mean differs from the best one''s by less than a standard error of the difference, the one with the most regularization is the best. search: for each hyperparameter the values to choose from, or a range: {"factors": [32, 64], "regularization": {"low": 0.001, "high": 0.1, "scale": "log"}}; by default what commrec.hyperparameters shows as searched, but no more factors than there are users or items. split: what a fold is. "time": a tenth of the events, to be foreseen from all that came before; the newest, the one before, and so on; "last": the newest item of each user, the one before, and so on; "random": a tenth of the pairs, by seed; by default time where there are times, else random. The events are read once. The weight of popularity is validated once a fold, unless it is searched. budget: after this time no trial is begun (NULL: no limit). metric: recall, precision, ndcg, map, mrr or hit_rate at a k. users: judged on at most, drawn by seed. apply: write the best into the model, as commrec.alter_model() would; nothing is trained or deployed. verbose: a line a trial. The procedure commits after every trial, in the model''s table "trial", so that a cancel loses only the one under way; it cannot be called in a transaction block (2D000). A NULL argument stands for its default. The caller must be owner (42501). Wrong argument: 22023; nothing to learn or foresee: 55000; model NULL: 22004, unknown: 42704; too large for commrec.max_train_memory: 54000; read-only transaction: 25006. Bergstra and Bengio, Random search for hyper-parameter optimization, JMLR 2012; Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016; Breiman, Friedman, Olshen and Stone, Classification and regression trees, 1984.';
