import * as A from "@automerge/automerge";
import { createCipheriv, createDecipheriv } from "node:crypto";
import { changeMeta } from "../../protocol/automerge-format/decode.ts";
import { preflight } from "../../protocol/automerge-format/preflight.ts";
import { padmeLength } from "../../protocol/codec/padme.ts";
import { hpkeOpen, hpkeSchedule, hpkeSeal } from "../../protocol/crypto/hpke.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { type ItemKind, itemKey, openItem, proxyCheck, sealItem, topicId } from "../../protocol/entry/item.ts";
import { readRecord, type RecordHeader, signRecord } from "../../protocol/entry/record.ts";
import { deriveTopicKeys, mergeEpochs } from "../../protocol/epoch/epoch-keys.ts";
import { bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import type { VectorReport } from "./run-noise.ts";

type Json = Readonly<Record<string, unknown>>;

const fail = (reason: string): never => {
  throw new Error(reason);
};
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isHex = (value: unknown): value is string =>
  typeof value === "string" && value.length >= 8 && hexToBytes(value) !== undefined;
const hex = (value: unknown, field: string): Uint8Array =>
  (typeof value === "string" ? hexToBytes(value) : undefined) ?? fail(`no hex in ${field}`);
const bytes = (vector: Json, field: string): Uint8Array => hex(vector[field], field);
const text = (vector: Json, field: string): string => {
  const value = vector[field];
  return typeof value === "string" ? value : fail(`no text in ${field}`);
};
const same = (what: string, actual: Uint8Array, expected: Uint8Array): void => {
  if (!bytesEqual(actual, expected)) fail(`${what} is ${bytesToHex(actual)}, the vector says ${bytesToHex(expected)}`);
};

/** Checks every value of a data vector file, recomputing it from the inputs in the same file. Values nobody knows how to check are failures. */
export const runDataVectors = (json: unknown, crypto: CryptoProvider): VectorReport => {
  const failures: string[] = [];
  let passed = 0;
  const check = (name: string, run: () => void): void => {
    try {
      run();
      passed++;
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const groups = Array.isArray(json) ? json : [json];
  for (const [i, group] of groups.entries()) {
    const prefix = groups.length > 1 ? `[${i}].` : "";
    if (isObject(group)) runGroup(crypto, group, prefix, check);
    else check(prefix, () => fail("not a group of vectors"));
  }
  return { passed, failed: failures.length, failures };
};

type Check = (name: string, run: () => void) => void;

const runGroup = (crypto: CryptoProvider, group: Json, prefix: string, check: Check): void => {
  const computed = computeEntry(crypto, group);
  for (const [key, value] of Object.entries(group)) {
    const name = prefix + key;
    if (INPUTS.has(key)) continue;
    const compute = computed[key];
    if (compute !== undefined) check(name, () => same(key, compute(), hex(value, key)));
    else if (key.startsWith("merge")) runMerges(crypto, value, name, check);
    else if (key.startsWith("padme")) runPadme(value, name, check);
    else if (key.startsWith("hpke")) runEach(value, name, check, (vector, at) => runHpke(crypto, vector, at, check));
    else if (key.startsWith("automerge")) runEach(value, name, check, (vector, at) => runAutomerge(vector, at, check));
    else if (isObject(value)) runGroup(crypto, value, `${name}.`, check);
    else if (Array.isArray(value) && value.every(isObject))
      for (const [i, one] of value.entries()) runGroup(crypto, one, `${name}[${i}].`, check);
    else if (isHex(value) || Array.isArray(value)) check(name, () => fail("no rule for this vector"));
  }
  if (group["wire"] !== undefined) check(`${prefix}wire opens`, () => openWire(crypto, group));
};

const runEach = (value: unknown, name: string, check: Check, run: (vector: Json, name: string) => void): void => {
  const list = Array.isArray(value) ? value : [value];
  for (const [i, one] of list.entries()) {
    const at = list.length > 1 ? `${name}[${i}]` : name;
    if (isObject(one)) run(one, at);
    else check(at, () => fail("not a vector"));
  }
};

/** Given, not derived: seeds, secrets, plaintext. They count as checked by what is computed from them. */
const INPUTS: ReadonlySet<string> = new Set(["S", "W", "devSeed", "ihdr_in", "payload", "salt", "kind"]);

/** Every value an entry vector may hold, by its name there; evaluated only when asked for. */
const computeEntry = (crypto: CryptoProvider, group: Json): Readonly<Record<string, () => Uint8Array>> => {
  const keys = () =>
    deriveTopicKeys(crypto, {
      S: bytes(group, "S"),
      W: group["W"] === undefined || group["W"] === null ? null : bytes(group, "W"),
    });
  const topicKey = () => keys().topicKey ?? fail("W is needed");
  const device = () => crypto.signingKey(bytes(group, "devSeed"));
  const record = () => {
    const header = readHeaderNotation(text(group, "ihdr_in"), group);
    same("device of ihdr_in", header.devSig, device().publicKey);
    return signRecord(crypto, device(), header, bytes(group, "payload"));
  };
  const item = () => {
    const made = record();
    const kind = (group["kind"] ?? 0) as ItemKind;
    const sealed = sealItem(
      crypto,
      { kind, topicKey: topicKey(), gen: made.header.gen, salt: bytes(group, "salt") },
      keys().readKey,
      made.bytes,
    );
    return sealed.ok ? sealed.value : fail(sealed.error.type);
  };
  return {
    R: () => keys().readKey,
    topicPk: () => topicKey().publicKey,
    tid: () => topicId(crypto, topicKey().publicKey),
    B: () => keys().blobSecret,
    replyPk: () => keys().replyKey.publicKey,
    replyRead: () => keys().replyReadKey,
    devPk: () => device().publicKey,
    entryKey48: () => itemKey(crypto, keys().readKey, bytes(group, "salt")),
    kc: () => item().commitment,
    hdr: () => item().headerBytes,
    topicSig: () => item().topicSig,
    body: () => item().body,
    wire: () => item().wire,
    oid: () => item().oid,
    ihdr: () => record().headerBytes,
    isig: () => record().isig,
    inner: () => record().bytes,
    iid: () => record().iid,
  };
};

/** The other way round: a receiver accepts the wire and finds payload and ids in it. */
const openWire = (crypto: CryptoProvider, group: Json): void => {
  const item = proxyCheck(crypto, bytes(group, "wire"));
  if (!item.ok) return fail(item.error.type);
  const { readKey } = deriveTopicKeys(crypto, { S: bytes(group, "S"), W: null });
  const plaintext = openItem(crypto, item.value, readKey);
  if (!plaintext.ok) return fail(plaintext.error.type);
  const { rid } = readHeaderNotation(text(group, "ihdr_in"), group);
  const record = readRecord(crypto, plaintext.value, { rid, gen: item.value.gen });
  if (!record.ok) return fail(record.error.type);
  same("payload", record.value.payload, bytes(group, "payload"));
  if (group["iid"] !== undefined) same("iid", record.value.iid, bytes(group, "iid"));
};

type Notation = number | null | Uint8Array | readonly Notation[];

/** Reads `[1,h(04*16),devPk,[…]]`: `h(XX*n)` is a byte repeated, `h(…)` plain hex, a bare word names another value of the group. */
const readNotation = (source: string, group: Json): Notation => {
  const tokens = source.match(/h\([^)]*\)|[[\],]|[A-Za-z_]\w*|\d+/gu) ?? [];
  let at = 0;
  const next = (): Notation => {
    const token = tokens[at++] ?? fail("notation ends early");
    if (token === "[") {
      const items: Notation[] = [];
      while (tokens[at] !== "]") {
        items.push(next());
        if (tokens[at] === ",") at++;
      }
      at++;
      return items;
    }
    if (token.startsWith("h(")) return repeated(token.slice(2, -1));
    if (/^\d+$/u.test(token)) return Number(token);
    return token === "null" ? null : bytes(group, token);
  };
  return next();
};

const repeated = (notation: string): Uint8Array => {
  const [digits = "", count] = notation.trim().split("*");
  const unit = hex(digits, notation);
  return count === undefined ? unit : new Uint8Array(Buffer.concat(Array.from({ length: Number(count) }, () => unit)));
};

const readHeaderNotation = (source: string, group: Json): RecordHeader => {
  const value = readNotation(source, group);
  if (!Array.isArray(value) || value.length !== 11 || value[0] !== 1) return fail("ihdr_in has eleven members");
  const members = value as readonly Notation[];
  const blob = (i: number): Uint8Array => {
    const member = members[i];
    return member instanceof Uint8Array ? member : fail(`no bytes at ${i} of ihdr_in`);
  };
  const number = (i: number): number => {
    const member = members[i];
    return typeof member === "number" ? member : fail(`no number at ${i} of ihdr_in`);
  };
  const list = <T extends Notation>(i: number): readonly T[] =>
    Array.isArray(members[i]) ? (members[i] as readonly T[]) : fail(`no list at ${i} of ihdr_in`);
  return {
    rid: blob(1),
    devSig: blob(2),
    sess: blob(3),
    seq: number(4),
    prev: blob(5),
    parents: list<Uint8Array>(6),
    acl: list<Uint8Array>(7),
    gen: number(8),
    parts: list<readonly [Uint8Array, number, number, Uint8Array]>(9).map(([doc, aseqFrom, n, lastChangeHash]) => ({
      doc,
      aseqFrom,
      n,
      lastChangeHash,
    })),
    ts: number(10),
  };
};

const runMerges = (crypto: CryptoProvider, value: unknown, name: string, check: Check): void => {
  runEach(value, name, check, (vector, at) => {
    const heads = () =>
      text(vector, "in")
        .split(";")
        .map((part) => {
          const words = part.trim().split(/\s+/u);
          const after = (word: string): string | undefined =>
            words.includes(word) ? words[words.indexOf(word) + 1] : undefined;
          const W = after("W");
          return {
            eid: repeated(after("eid") ?? fail("no eid")),
            S: repeated(after("S") ?? fail("no S")),
            W: W === undefined || W === "null" || W === "-" ? null : repeated(W),
          };
        });
    check(`${at}.S`, () => {
      same("S", mergeEpochs(crypto, heads()).S, bytes(vector, "S"));
      same("S of reversed heads", mergeEpochs(crypto, heads().reverse()).S, bytes(vector, "S"));
    });
    check(`${at}.W`, () => {
      const { W } = mergeEpochs(crypto, heads());
      if (vector["W"] === undefined || vector["W"] === null) {
        if (W !== null) fail("W is known although the vector has none");
      } else same("W", W ?? fail("W is unknown"), bytes(vector, "W"));
    });
    refuseOthers(vector, ["in", "S", "W", "note"], at, check);
  });
};

const runPadme = (value: unknown, name: string, check: Check): void => {
  if (!Array.isArray(value) || value.length === 0) return check(name, () => fail("no list"));
  for (const pair of value as readonly unknown[]) {
    check(`${name} ${JSON.stringify(pair)}`, () => {
      const [length, padded] = Array.isArray(pair) ? (pair as readonly unknown[]) : fail("not a pair");
      if (typeof length !== "number" || typeof padded !== "number") return fail("not a pair of numbers");
      if (padmeLength(length) !== padded) fail(`padded to ${padmeLength(length)}`);
    });
  }
};

const HPKE_AEADS: Readonly<
  Record<number, { readonly keyBytes: number; readonly cipher: "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305" }>
> = {
  1: { keyBytes: 16, cipher: "aes-128-gcm" },
  2: { keyBytes: 32, cipher: "aes-256-gcm" },
  3: { keyBytes: 32, cipher: "chacha20-poly1305" },
};

/** Base mode, first message. The product's suite is sealed whole; of other suites KEM and key schedule are ours and the AEAD is Node's. */
const runHpke = (crypto: CryptoProvider, vector: Json, name: string, check: Check): void => {
  const [kem, kdf, aeadId] = text(vector, "suite").split(",").map(Number);
  const aead = aeadId === undefined ? undefined : HPKE_AEADS[aeadId];
  if (kem !== 0x20 || kdf !== 1 || aead === undefined || aeadId === undefined)
    return check(name, () => fail("a suite we do not have"));
  const schedule = () =>
    hpkeSchedule(
      crypto,
      { id: aeadId, keyBytes: aead.keyBytes, name: "AESGCM" },
      bytes(vector, "pkRm"),
      bytes(vector, "info"),
      bytes(vector, "skEm"),
    ) ?? fail("low-order key");
  check(`${name}.enc`, () => same("enc", schedule().enc, bytes(vector, "enc")));
  check(`${name}.ct`, () => {
    const { key, nonce } = schedule();
    const options = { authTagLength: 16 };
    const cipher = createCipheriv(aead.cipher as "aes-256-gcm", key, nonce, options).setAAD(bytes(vector, "aad"));
    same(
      "ct",
      new Uint8Array(Buffer.concat([cipher.update(bytes(vector, "pt")), cipher.final(), cipher.getAuthTag()])),
      bytes(vector, "ct"),
    );
    const ct = bytes(vector, "ct");
    const decipher = createDecipheriv(aead.cipher as "aes-256-gcm", key, nonce, options)
      .setAAD(bytes(vector, "aad"))
      .setAuthTag(ct.subarray(-16));
    same(
      "pt",
      new Uint8Array(Buffer.concat([decipher.update(ct.subarray(0, -16)), decipher.final()])),
      bytes(vector, "pt"),
    );
  });
  if (aeadId === 2) {
    const context = { info: bytes(vector, "info"), aad: bytes(vector, "aad") };
    check(`${name} sealed`, () => {
      const sealed =
        hpkeSeal(crypto, bytes(vector, "pkRm"), context, bytes(vector, "pt"), bytes(vector, "skEm")) ??
        fail("low-order key");
      same("enc", sealed.enc, bytes(vector, "enc"));
      same("ct", sealed.ct, bytes(vector, "ct"));
    });
    if (vector["skRm"] !== undefined) {
      check(`${name} opened`, () => {
        const sealed = { enc: bytes(vector, "enc"), ct: bytes(vector, "ct") };
        same(
          "pt",
          hpkeOpen(crypto, crypto.dhKeyPair(bytes(vector, "skRm")), context, sealed) ?? fail("does not open"),
          bytes(vector, "pt"),
        );
      });
    }
  }
  if (vector["skRm"] !== undefined)
    check(`${name}.skRm`, () => same("pkRm", crypto.dhKeyPair(bytes(vector, "skRm")).publicKey, bytes(vector, "pkRm")));
  refuseOthers(
    vector,
    ["suite", "skEm", "pkEm", "skRm", "pkRm", "info", "aad", "pt", "enc", "ct", "note", "mode"],
    name,
    check,
  );
};

/** What has to happen to a fixture, told by the start of its name (invariant I37). */
const AUTOMERGE_VERDICTS: readonly (readonly [
  prefix: string,
  run: (bytesOfFixture: Uint8Array, base: readonly Uint8Array[], good: Uint8Array | undefined) => void,
])[] = [
  [
    "good",
    (fixture, base) => {
      countsAreExact(fixture);
      const replica = replicaOf(base);
      expectRejected(replica.applyChanges([fixture]).rejected, undefined);
      const [doc] = A.applyChanges(A.init(), [...base, fixture]);
      if (replica.heads().join() !== A.getHeads(doc).join()) fail("heads differ from Automerge's");
    },
  ],
  [
    "missing",
    (fixture, base) => {
      countsAreExact(fixture);
      refusedWithoutHarm(fixture, base, "DecodeError");
    },
  ],
  [
    "counterPoison",
    (fixture, base) => {
      countsAreExact(fixture);
      refusedWithoutHarm(fixture, base, "WrongStartOp");
    },
  ],
  [
    "dupSeq",
    (fixture, base, good) => {
      countsAreExact(fixture);
      refusedWithoutHarm(fixture, [...base, good ?? fail("needs the good change")], "ActorReused");
    },
  ],
  [
    "bomb",
    (fixture) => {
      const before = performance.now();
      const facts = preflight(fixture, automergeDependencies);
      if (performance.now() - before > 50) fail("took more than 50 ms to judge");
      if (facts.ok && !facts.value.some((chunk) => chunk.type === "document" && chunk.isDeferred))
        fail("neither refused nor deferred");
    },
  ],
];

const runAutomerge = (vector: Json, name: string, check: Check): void => {
  const { base: changes = [], version: _, note: __, ...fixtures } = vector;
  const base = () => (Array.isArray(changes) ? changes.map((change) => hex(change, "base")) : fail("base is a list"));
  check(`${name}.base`, () => {
    for (const change of base()) countsAreExact(change);
    const [doc] = A.applyChanges(A.init(), base());
    if (replicaOf(base()).heads().join() !== A.getHeads(doc).join()) fail("heads differ from Automerge's");
  });
  for (const [key, value] of Object.entries(fixtures)) {
    const verdict = AUTOMERGE_VERDICTS.find(([prefix]) => key.startsWith(prefix));
    check(`${name}.${key}`, () => {
      if (verdict === undefined) return fail("no verdict is known for this fixture");
      verdict[1](hex(value, key), base(), isHex(fixtures["good"]) ? hex(fixtures["good"], "good") : undefined);
    });
  }
};

const replicaOf = (changes: readonly Uint8Array[]) => {
  const replica = createReplica(automergeDependencies, "abcd");
  expectRejected(replica.applyChanges(changes).rejected, undefined);
  return replica;
};

/** Preflight passes a change and counts what a full decode finds. */
const countsAreExact = (change: Uint8Array): void => {
  const counted = preflight(change, automergeDependencies);
  const meta = changeMeta(change, automergeDependencies);
  if (!counted.ok || !meta.ok) return fail("preflight refuses it");
  const [facts] = counted.value;
  if (
    facts?.type !== "change" ||
    facts.opCount !== meta.value.opCount ||
    facts.startOp !== meta.value.startOp ||
    facts.seq !== meta.value.seq
  )
    fail("counts differ");
};

const refusedWithoutHarm = (change: Uint8Array, base: readonly Uint8Array[], expected: string): void => {
  const replica = replicaOf(base);
  const before = replica.heads().join();
  expectRejected(replica.applyChanges([change]).rejected, expected);
  if (replica.heads().join() !== before) fail("the document changed");
  const edit =
    replica.change({ time: 0 }, (transaction) => transaction.put("_root", "k", 1)) ??
    fail("the document cannot be edited any more");
  const [doc] = A.applyChanges(A.init(), [...base, edit.bytes]);
  if (A.getHeads(doc).join() !== replica.heads().join()) fail("Automerge disagrees with the edit afterwards");
};

const expectRejected = (
  rejected: readonly { readonly error: { readonly type: string } }[],
  expected: string | undefined,
): void => {
  const found = rejected.map(({ error }) => error.type).join() || undefined;
  if (found !== expected) fail(`${found ?? "accepted"} instead of ${expected ?? "accepted"}`);
};

const refuseOthers = (vector: Json, known: readonly string[], name: string, check: Check): void => {
  for (const [key, value] of Object.entries(vector)) {
    if (!known.includes(key) && (isHex(value) || Array.isArray(value) || isObject(value)))
      check(`${name}.${key}`, () => fail("no rule for this vector"));
  }
};
