/**
 * The tables of `../schema.ts` for many processes on one PostgreSQL. Chunks lie in an object store: `content` names what was put there, and
 * `usage` holds the bytes of all topics, so that the capacity is one row. Positions come from a sequence that does not cache: within a
 * topic, whose row is locked before, they rise in the order of commits.
 */
export const POSTGRES_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key text PRIMARY KEY, value bytea NOT NULL);
  CREATE TABLE usage (n integer PRIMARY KEY CHECK (n = 1), bytes bigint NOT NULL);
  INSERT INTO usage VALUES (1, 0);
  CREATE TABLE account (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pk bytea NOT NULL UNIQUE,
    quota bigint NOT NULL,
    used bigint NOT NULL DEFAULT 0
  );
  CREATE TABLE code (hash bytea PRIMARY KEY, quota bigint NOT NULL);
  CREATE TABLE topic (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pk bytea NOT NULL UNIQUE,
    newest bigint NOT NULL DEFAULT 0,
    items bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 70);
  CREATE TABLE pin (
    account bigint NOT NULL REFERENCES account,
    topic bigint NOT NULL REFERENCES topic,
    PRIMARY KEY (account, topic)
  );
  CREATE INDEX pin_topic ON pin (topic);
  CREATE SEQUENCE item_position CACHE 1;
  CREATE TABLE item (
    position bigint PRIMARY KEY,
    topic bigint NOT NULL,
    oid bytea NOT NULL UNIQUE,
    kind smallint NOT NULL,
    gen bigint NOT NULL,
    retired integer,
    wire bytea NOT NULL
  );
  ALTER TABLE item ALTER COLUMN wire SET STORAGE EXTERNAL;
  CREATE INDEX item_topic ON item (topic, position);
  CREATE INDEX item_checkpoint ON item (topic, position) WHERE kind = 2;
  CREATE INDEX item_retired ON item (retired) WHERE retired IS NOT NULL;
  CREATE TABLE tombstone (oid bytea NOT NULL, topic bigint NOT NULL, PRIMARY KEY (oid, topic));
  CREATE INDEX tombstone_topic ON tombstone (topic);
  CREATE TABLE chunk (
    topic bigint NOT NULL,
    id bytea NOT NULL,
    bytes bigint NOT NULL DEFAULT 0,
    unpinned integer,
    PRIMARY KEY (topic, id)
  );
  CREATE INDEX chunk_id ON chunk (id);
  CREATE INDEX chunk_unpinned ON chunk (unpinned) WHERE unpinned IS NOT NULL;
  CREATE TABLE content (id bytea PRIMARY KEY, day integer NOT NULL);
  `,
];
