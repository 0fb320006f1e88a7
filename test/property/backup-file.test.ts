import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BackupKey, BackupRequest } from "../../app/ports/backups.ts";
import { createBackupHost } from "../../main/adapters/backup/backup-host.ts";
import { extractBackup, verifyBackup } from "../../main/adapters/backup/extract-backup.ts";
import { SEALED_BYTES } from "../../main/adapters/backup/segments.ts";
import { writeBackup } from "../../main/adapters/backup/write-backup.ts";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { openWriter } from "../../main/adapters/sqlite/database.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { rootDecryptionKey, rootEncryptionKey } from "../../protocol/crypto/root-encryption.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const ROUNDS = Number(process.env["BACKUP_ROUNDS"] ?? "60");
const SEED = process.env["BACKUP_SEED"] ?? "backup-1";
const crypto = createNativeProvider(createNobleProvider());
const root = crypto.signingKey(randomBytes(32));
const databaseKey = randomBytes(32);
const byPhrase: BackupKey = { type: "phrase", privateKey: rootDecryptionKey(root.seed) };
const byPassphrase: BackupKey = { type: "passphrase", passphrase: "correct horse" };

let folder: string;
let file: string;
let header: number;
const ignore = () => undefined;
const at = (...parts: readonly string[]): string => path.join(folder, ...parts);
const verify = (target: string, key: BackupKey = byPhrase) => verifyBackup(crypto, target, key, at("drill"), ignore);

const request = (target: string): BackupRequest => ({
  file: target,
  name: "Ada",
  idRoot: root.publicKey,
  recipient: rootEncryptionKey(root.publicKey) as Uint8Array,
  passphrase: "correct horse",
  databaseKey,
  secret: Buffer.from("the vault's content"),
  createdAt: 1_700_000_000_000,
});

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-backup-"));
  const database = openWriter(at("profile.db"), databaseKey, MIGRATIONS, false);
  if (!database.ok) throw new Error(database.error.message);
  database.value.prepare("INSERT INTO meta VALUES('canary', ?)").run(Buffer.from("canary canary canary"));
  for (let chunk = 0; chunk < 12; chunk++) {
    const bytes = randomBytes(262_160);
    const id = createHash("sha256").update(bytes).digest("hex");
    mkdirSync(at("blobs", "1", id.slice(0, 2)), { recursive: true });
    writeFileSync(at("blobs", "1", id.slice(0, 2), id), bytes);
  }
  file = at("one.p2pcbak");
  const written = await writeBackup(
    crypto,
    { database: at("profile.db"), blobs: at("blobs"), snapshot: at("snapshot.db") },
    request(file),
    ignore,
  );
  database.value.close();
  expect(written).toMatchObject({ ok: true, value: { chunks: 12, name: "Ada", createdAt: 1_700_000_000_000 } });
  header = 12 + readFileSync(file).readUInt32BE(8);
}, 30_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("P-BACKUP-1 what was written comes out again, byte for byte, by phrase and by passphrase", async () => {
  for (const key of [byPhrase, byPassphrase]) {
    const extracted = await extractBackup(crypto, file, key, at("out"), ignore);
    if (!extracted.ok) throw new Error(extracted.error.type);
    expect(Buffer.from(extracted.value.secret).toString()).toBe("the vault's content");
    expect(Buffer.from(extracted.value.databaseKey)).toEqual(databaseKey);
    const copy = new Database(at("out", "profile.db"));
    copy.pragma("cipher = 'chacha20'");
    copy.pragma(`key = 'raw:${databaseKey.toString("hex")}'`);
    expect(copy.prepare("SELECT value FROM meta WHERE key = 'canary'").pluck().get()).toEqual(
      Buffer.from("canary canary canary"),
    );
    copy.close();
    for (const fanOut of readdirSync(at("blobs", "1")))
      for (const name of readdirSync(at("blobs", "1", fanOut)))
        expect(
          readFileSync(at("out", "blobs", "1", fanOut, name)).equals(readFileSync(at("blobs", "1", fanOut, name))),
        ).toBe(true);
  }
  expect(readdirSync(folder).filter((name) => name.includes("snapshot") || name.includes("partial"))).toEqual([]);
});

test("P-BACKUP-1 a cancelled backup leaves nothing; pruning keeps the newest of one's own", async () => {
  const target = at("target");
  mkdirSync(target);
  const places = { dataDirectory: folder, database: at("profile.db"), blobs: at("blobs"), highWater: at("high-water") };
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const script = new URL("../../main/adapters/backup/backup-worker.ts", import.meta.url);
  const host = createBackupHost(script, places, log);
  const own = host.pathIn(target, "p2pcollab-Ada-12345678-weekly-", 1_700_000_000_000);
  expect(path.basename(own)).toBe("p2pcollab-Ada-12345678-weekly-2023-11-14-221320.p2pcbak");
  const writing = host.write({ ...request(own), passphrase: undefined }, ignore);
  host.cancel();
  expect(await writing).toEqual({ ok: false, error: { type: "Cancelled" } });
  expect(readdirSync(target)).toEqual([]);
  for (const name of ["w-1", "w-2", "w-3", "w-4", "w-5", "w-6", "x-0"])
    writeFileSync(at("target", `${name}.p2pcbak`), "");
  await host.prune(target, "w-", 4);
  expect(readdirSync(target).toSorted()).toEqual(["w-3", "w-4", "w-5", "w-6", "x-0"].map((name) => `${name}.p2pcbak`));
});

test("I44 nothing of the content stands in a backup in clear", () => {
  const bytes = readFileSync(file);
  // Shorter words appear in millions of random bytes by themselves.
  for (const secret of ["canary", "vault's content", "SQLite format"]) expect(bytes.includes(secret)).toBe(false);
  expect(bytes.includes(Buffer.from(root.publicKey))).toBe(false);
});

test("other words, another passphrase and other files are told apart", async () => {
  const other: BackupKey = { type: "phrase", privateKey: rootDecryptionKey(randomBytes(32)) };
  expect(await verify(file, other)).toEqual({ ok: false, error: { type: "WrongPhrase" } });
  expect(await verify(file, { type: "passphrase", passphrase: "wrong" })).toEqual({
    ok: false,
    error: { type: "WrongPassphrase" },
  });
  writeFileSync(at("text.p2pcbak"), "no backup at all");
  expect(await verify(at("text.p2pcbak"))).toEqual({ ok: false, error: { type: "NotABackup" } });
  expect(await verify(at("absent"))).toEqual({ ok: false, error: { type: "FileNotFound" } });
});

test(`P-BACKUP-2 a changed backup never opens (seed ${SEED})`, async () => {
  const random = createSeededRandom(SEED);
  const original = readFileSync(file);
  const segments = (original.length - header) / SEALED_BYTES;
  expect(segments).toBeGreaterThan(3);
  const target = at("changed.p2pcbak");
  const segment = (n: number): Buffer => original.subarray(header + n * SEALED_BYTES, header + (n + 1) * SEALED_BYTES);
  const head = original.subarray(0, header);
  const all = Array.from({ length: Math.ceil(segments) }, (_, n) => segment(n));
  const without = (n: number) => Buffer.concat([head, ...all.filter((_, index) => index !== n)]);
  const changed: Buffer[] = [
    // Cut between segments, doubled, swapped, lengthened.
    Buffer.concat([head, ...all.slice(0, -1)]),
    without(0),
    without(1),
    Buffer.concat([head, segment(0), segment(0), ...all.slice(1)]),
    Buffer.concat([head, segment(1), segment(0), ...all.slice(2)]),
    Buffer.concat([original, Buffer.of(0)]),
    Buffer.concat([original, segment(0)]),
    head,
  ];
  for (let round = 0; round < ROUNDS; round++) {
    const copy = Buffer.from(original);
    // Half of them in the header and the first bytes behind it, where everything has a meaning.
    const place = randomBelow(random, round % 2 === 0 ? header + 64 : original.length);
    copy[place] = (copy[place] as number) ^ (1 << randomBelow(random, 8));
    changed.push(copy, original.subarray(0, randomBelow(random, original.length)));
  }
  for (const bytes of changed) {
    writeFileSync(target, bytes);
    const verified = await verify(target);
    expect(verified.ok, `${bytes.length} bytes`).toBe(false);
  }
}, 60_000);
