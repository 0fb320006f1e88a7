/**
 * Everything here is ciphertext or a pseudonym (account keys, topic keys). Days are counted from 1970-01-01 UTC; no finer time and no
 * address is kept. AUTOINCREMENT: a position is never given twice, not even after its item was deleted.
 */
export const PROXY_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE account (
    n INTEGER PRIMARY KEY,
    pk BLOB NOT NULL UNIQUE,
    quota INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE code (hash BLOB PRIMARY KEY, quota INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE topic (
    n INTEGER PRIMARY KEY,
    pk BLOB NOT NULL UNIQUE,
    newest INTEGER NOT NULL DEFAULT 0,
    items INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE pin (
    account INTEGER NOT NULL REFERENCES account,
    topic INTEGER NOT NULL REFERENCES topic,
    PRIMARY KEY (account, topic)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pin_topic ON pin (topic);
  CREATE TABLE item (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic INTEGER NOT NULL REFERENCES topic,
    oid BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    gen INTEGER NOT NULL,
    retired INTEGER,
    wire BLOB NOT NULL
  ) STRICT;
  CREATE INDEX item_topic ON item (topic, position);
  CREATE INDEX item_checkpoint ON item (topic, position) WHERE kind = 2;
  CREATE INDEX item_retired ON item (retired) WHERE retired IS NOT NULL;
  CREATE TABLE tombstone (
    topic INTEGER NOT NULL REFERENCES topic,
    oid BLOB NOT NULL,
    PRIMARY KEY (topic, oid)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE chunk (
    topic INTEGER NOT NULL REFERENCES topic,
    id BLOB NOT NULL,
    bytes INTEGER NOT NULL DEFAULT 0,
    unpinned INTEGER,
    PRIMARY KEY (topic, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chunk_id ON chunk (id);
  CREATE TABLE content (id BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE INDEX chunk_unpinned ON chunk (unpinned) WHERE unpinned IS NOT NULL;
  `,
];
