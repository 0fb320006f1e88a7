/**
 * Tables of `profile.db`, one file per identity. Ids are raw bytes, times Unix milliseconds, states the names of the
 * record formats' state machines. Everything below `document` is derived and can be rebuilt from `entry`.
 */
export const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE repository(n INTEGER PRIMARY KEY, rid BLOB NOT NULL UNIQUE CHECK(length(rid)=16), title TEXT NOT NULL,
  added_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE acl_op(id BLOB PRIMARY KEY CHECK(length(id)=32), repository INTEGER NOT NULL REFERENCES repository(n),
  gen INTEGER NOT NULL, header BLOB NOT NULL, signature BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX acl_op_order ON acl_op(repository, gen, id);
CREATE TABLE epoch(repository INTEGER NOT NULL REFERENCES repository(n), eid BLOB NOT NULL CHECK(length(eid)=16),
  s BLOB NOT NULL CHECK(length(s)=32), w BLOB CHECK(w IS NULL OR length(w)=32), PRIMARY KEY(repository, eid)) STRICT, WITHOUT ROWID;

-- kind: 0 repository epoch, 1 rendezvous
CREATE TABLE topic(n INTEGER PRIMARY KEY, pk BLOB NOT NULL UNIQUE CHECK(length(pk)=32), repository INTEGER REFERENCES repository(n),
  kind INTEGER NOT NULL, read_key BLOB NOT NULL CHECK(length(read_key)=32), topic_seed BLOB) STRICT;

-- state: 0 stored 1 no-key 2 opened 3 pending 4 valid 5 void 6 malformed 7 quarantined 8 deferred
-- delivered: 1 another device has acknowledged it 2 only a proxy has; wire comes last, as what stands behind it costs reading it
CREATE TABLE entry(n INTEGER PRIMARY KEY, oid BLOB NOT NULL UNIQUE CHECK(length(oid)=32), topic INTEGER NOT NULL REFERENCES topic(n),
  kind INTEGER NOT NULL, gen INTEGER NOT NULL, iid BLOB, state INTEGER NOT NULL, own INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0, arrived_at INTEGER NOT NULL, wire BLOB NOT NULL) STRICT;
CREATE INDEX entry_reconcile ON entry(topic, gen, oid);
CREATE INDEX entry_waiting ON entry(topic, state) WHERE state IN (0, 1, 2, 3, 7, 8);
CREATE INDEX entry_undelivered ON entry(topic) WHERE own = 1 AND delivered = 0;
CREATE INDEX entry_by_iid ON entry(iid) WHERE iid IS NOT NULL;

CREATE TABLE inner_record(iid BLOB PRIMARY KEY CHECK(length(iid)=32), repository INTEGER NOT NULL REFERENCES repository(n),
  device BLOB NOT NULL, session BLOB NOT NULL, seq INTEGER NOT NULL, gen INTEGER NOT NULL, header BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX inner_chain ON inner_record(repository, session, seq);
CREATE TABLE repository_head(repository INTEGER NOT NULL REFERENCES repository(n), iid BLOB NOT NULL, gen INTEGER NOT NULL,
  PRIMARY KEY(repository, iid)) STRICT, WITHOUT ROWID;
CREATE TABLE session(repository INTEGER NOT NULL REFERENCES repository(n), session BLOB NOT NULL CHECK(length(session)=16),
  device BLOB NOT NULL, last_seq INTEGER NOT NULL, last_iid BLOB NOT NULL, own INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER NOT NULL, acl BLOB NOT NULL, PRIMARY KEY(repository, session)) STRICT, WITHOUT ROWID;
CREATE TABLE equivocation(repository INTEGER NOT NULL, session BLOB NOT NULL, seq INTEGER NOT NULL, a BLOB NOT NULL, b BLOB NOT NULL,
  found_at INTEGER NOT NULL, PRIMARY KEY(repository, session)) STRICT, WITHOUT ROWID;

-- heads: concatenated 32-byte change hashes, sorted; the snapshot moved to its own table since
CREATE TABLE document(n INTEGER PRIMARY KEY, repository INTEGER NOT NULL REFERENCES repository(n), did BLOB NOT NULL CHECK(length(did)=16),
  heads BLOB NOT NULL, snapshot BLOB, snapshot_n INTEGER NOT NULL DEFAULT 0, type TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',
  folder TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]', excerpt TEXT NOT NULL DEFAULT '', created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0, indexed INTEGER NOT NULL DEFAULT 0, UNIQUE(repository, did)) STRICT;
CREATE INDEX document_unindexed ON document(n) WHERE indexed = 0;
-- Changes of one actor in one document with consecutive numbers; facts: 40 bytes a change (hash, maxOp and length in bytes as 32-bit
-- little-endian). drafts: how many of them, counted from the last, are durable here but in no entry yet.
CREATE TABLE change_run(n INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES document(n), actor BLOB NOT NULL, first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL, drafts INTEGER NOT NULL, facts BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE INDEX change_run_order ON change_run(document, n);
CREATE INDEX change_run_chain ON change_run(document, actor, last_seq);
CREATE INDEX change_run_draft ON change_run(document) WHERE drafts > 0;

CREATE TABLE invite(id BLOB PRIMARY KEY CHECK(length(id)=16), role TEXT NOT NULL, repository INTEGER, state BLOB NOT NULL,
  expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE address(address TEXT PRIMARY KEY, found TEXT NOT NULL, last_ok INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE imported_file(repository INTEGER NOT NULL REFERENCES repository(n), source TEXT NOT NULL, path TEXT NOT NULL,
  hash BLOB NOT NULL, did BLOB NOT NULL, PRIMARY KEY(repository, source, path)) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE note_words USING fts5(title, body, tags, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2', prefix='2 3');
CREATE VIRTUAL TABLE note_trigrams USING fts5(title, body, tags, content='', contentless_delete=1, tokenize='trigram remove_diacritics 1');
CREATE TABLE note_text(document INTEGER PRIMARY KEY REFERENCES document(n), body TEXT NOT NULL) STRICT;
`,
  `
-- Apart from the document's row, which each edit rewrites with everything in it.
-- The snapshot covers every change run of the document with n <= change_n.
CREATE TABLE document_snapshot(document INTEGER PRIMARY KEY REFERENCES document(n), bytes BLOB NOT NULL, change_n INTEGER NOT NULL) STRICT;
INSERT INTO document_snapshot SELECT n, snapshot, snapshot_n FROM document WHERE snapshot IS NOT NULL;
ALTER TABLE document DROP COLUMN snapshot;
ALTER TABLE document DROP COLUMN snapshot_n;
`,
  `
-- Full-text search has a file of its own, so that writing it never holds up the writer of this one.
DROP TABLE note_words;
DROP TABLE note_trigrams;
DROP TABLE note_text;
`,
  `
-- state: 0 current 1 lingering (was current once) 2 history (of before this device came); since: when it became that
ALTER TABLE topic ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE topic ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
-- Records that are not simply valid. verdict: 1 adopted 2 void
CREATE TABLE doubted_record(iid BLOB PRIMARY KEY CHECK(length(iid)=32), repository INTEGER NOT NULL REFERENCES repository(n),
  session BLOB NOT NULL, verdict INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX doubted_session ON doubted_record(repository, session, verdict);
`,
  `
-- state: 0 importing 1 wanted 2 fetching 3 present 4 unreadable; live_at: when a document last referred to it
CREATE TABLE blob(n INTEGER PRIMARY KEY, repository INTEGER NOT NULL REFERENCES repository(n), root BLOB CHECK(root IS NULL OR length(root)=32),
  key BLOB, size INTEGER NOT NULL, mime TEXT NOT NULL, name TEXT NOT NULL, sha256 BLOB, state INTEGER NOT NULL, live_at INTEGER NOT NULL,
  UNIQUE(repository, root)) STRICT;
CREATE INDEX blob_unfinished ON blob(state) WHERE state <> 3;
-- position -1 is the manifest
CREATE TABLE blob_chunk(blob INTEGER NOT NULL REFERENCES blob(n), position INTEGER NOT NULL, repository INTEGER NOT NULL, id BLOB NOT NULL,
  key BLOB NOT NULL, bytes INTEGER NOT NULL, present INTEGER NOT NULL, PRIMARY KEY(blob, position)) STRICT, WITHOUT ROWID;
CREATE INDEX blob_chunk_id ON blob_chunk(repository, id);
CREATE TABLE blob_reference(document INTEGER NOT NULL REFERENCES document(n), blob INTEGER NOT NULL REFERENCES blob(n),
  PRIMARY KEY(document, blob)) STRICT, WITHOUT ROWID;
CREATE INDEX blob_reference_blob ON blob_reference(blob);
`,
  `
-- Each order a list can have is one index, so that a page of it costs the page. title_key: see title-key.ts.
ALTER TABLE document ADD COLUMN title_key TEXT NOT NULL DEFAULT '';
UPDATE document SET title_key = lower(title);
CREATE INDEX document_by_update ON document(repository, deleted, updated_at DESC, did, folder) WHERE type = 'note';
CREATE INDEX document_by_creation ON document(repository, deleted, created_at DESC, did, folder) WHERE type = 'note';
CREATE INDEX document_by_title ON document(repository, deleted, title_key, did, folder) WHERE type = 'note';
CREATE INDEX document_by_folder ON document(repository, deleted, folder) WHERE type = 'note';
`,
  `
-- account_key: X25519 private key, another one at each proxy. code: redeemed at the next connection. kind: 0 own account 1 guest
-- addresses: JSON list, the one that answered last first. bad_items: handed out broken, or lost after they were acknowledged
CREATE TABLE proxy(n INTEGER PRIMARY KEY, static_key BLOB NOT NULL UNIQUE CHECK(length(static_key)=32), addresses TEXT NOT NULL,
  account_key BLOB NOT NULL CHECK(length(account_key)=32), kind INTEGER NOT NULL, code BLOB, incarnation BLOB,
  added_at INTEGER NOT NULL, last_contact INTEGER, used INTEGER, quota INTEGER, bad_items INTEGER NOT NULL DEFAULT 0) STRICT;
-- Topics followed at a proxy. A row outlives its topic until the proxy was told. cursor: position behind the last item taken over
CREATE TABLE proxy_topic(proxy INTEGER NOT NULL REFERENCES proxy(n), pk BLOB NOT NULL CHECK(length(pk)=32), cursor INTEGER,
  PRIMARY KEY(proxy, pk)) STRICT, WITHOUT ROWID;
CREATE INDEX proxy_topic_by_key ON proxy_topic(pk);
-- What a proxy has not acknowledged. status: 0 queued, else why the proxy refused it; learned: 0 made here 1 come from others
CREATE TABLE proxy_outbox(proxy INTEGER NOT NULL REFERENCES proxy(n), status INTEGER NOT NULL, learned INTEGER NOT NULL,
  entry INTEGER NOT NULL REFERENCES entry(n) ON DELETE CASCADE, topic INTEGER NOT NULL, PRIMARY KEY(proxy, status, learned, entry)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX proxy_outbox_entry ON proxy_outbox(entry, proxy);
CREATE INDEX proxy_outbox_topic ON proxy_outbox(proxy, topic);
-- In the database, so that nothing can be stored without being owed to the proxies of its topic.
CREATE TRIGGER entry_owed AFTER INSERT ON entry BEGIN
  INSERT INTO proxy_outbox(proxy, status, learned, entry, topic) SELECT proxy, 0, 1 - NEW.own, NEW.n, NEW.topic
    FROM proxy_topic WHERE pk = (SELECT pk FROM topic WHERE n = NEW.topic);
END;
`,
  `
-- state of an entry may also be 9 retired: a checkpoint or bundle that others replace. An entry whose record a checkpoint covers may have no wire.
-- Records 0 to seq of a session are covered by counted checkpoints of the topic.
CREATE TABLE covered_session(topic INTEGER NOT NULL REFERENCES topic(n), session BLOB NOT NULL CHECK(length(session)=16), seq INTEGER NOT NULL,
  PRIMARY KEY(topic, session)) STRICT, WITHOUT ROWID;
-- Records first to last of a session are in the bundle, and were taken from it or put into it.
CREATE TABLE bundle_session(entry INTEGER NOT NULL REFERENCES entry(n), session BLOB NOT NULL CHECK(length(session)=16),
  first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(entry, session)) STRICT, WITHOUT ROWID;
CREATE INDEX bundle_session_record ON bundle_session(session, last);
CREATE INDEX entry_compacted ON entry(topic, kind) WHERE kind IN (1, 2);
CREATE INDEX inner_order ON inner_record(repository, gen, iid);
`,
  `
-- Chunks of attachments that a proxy has acknowledged.
CREATE TABLE proxy_chunk(proxy INTEGER NOT NULL REFERENCES proxy(n), repository INTEGER NOT NULL, id BLOB NOT NULL CHECK(length(id)=32),
  PRIMARY KEY(proxy, repository, id)) STRICT, WITHOUT ROWID;
`,
  `
-- Records 0 to seq of a session are at a device, as it says itself.
CREATE TABLE receipt(repository INTEGER NOT NULL REFERENCES repository(n), device BLOB NOT NULL CHECK(length(device)=32),
  session BLOB NOT NULL CHECK(length(session)=16), seq INTEGER NOT NULL, PRIMARY KEY(repository, device, session)) STRICT, WITHOUT ROWID;
-- Items that proxies were told to delete after their grace: covered or replaced ones that a stored item of kind 3 names.
CREATE TABLE retired_item(entry INTEGER PRIMARY KEY REFERENCES entry(n) ON DELETE CASCADE) STRICT;
CREATE INDEX entry_retirement ON entry(topic) WHERE kind = 3;
`,
];

/** Tables of `search.db`: derived from the documents, rebuilt when lost. Rows are those of `profile.db`. */
export const SEARCH_MIGRATIONS: readonly string[] = [
  `
CREATE TABLE identity(name TEXT NOT NULL) STRICT;
INSERT INTO identity VALUES(lower(hex(randomblob(16))));
CREATE TABLE note(document INTEGER PRIMARY KEY, repository INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX note_repository ON note(repository);
CREATE VIRTUAL TABLE note_words USING fts5(title, body, tags, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2', prefix='2 3');
CREATE VIRTUAL TABLE note_trigrams USING fts5(title, body, tags, content='', contentless_delete=1, tokenize='trigram remove_diacritics 1');
`,
];
