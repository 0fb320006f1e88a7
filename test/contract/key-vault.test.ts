import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KeyVault, VaultProtection } from "../../app/ports/key-vault.ts";
import type { KeySlot } from "../../main/adapters/key-file.ts";
import { createKeyFileVault, keyFileProtection } from "../../main/adapters/key-file.ts";
import { createFileVault } from "../../main/adapters/file-vault.ts";
import { createPassphraseVault } from "../../main/adapters/passphrase-vault.ts";
import { ok } from "../../protocol/kernel/result.ts";

const PASSPHRASE = "correct horse battery staple";
const SECRET = new TextEncoder().encode("canary: twenty-four words and a device key");

/** Stands for the operating system's keychain: keeps what it wrapped, as libsecret or the macOS keychain would. */
const createSlotOnFakeKeychain = (): KeySlot => {
  const kept = new Map<string, Uint8Array>();
  return {
    protection: "keychain",
    wrap: async (key) => {
      const name = `item-${kept.size}`;
      kept.set(name, Uint8Array.from(key));
      return ok({ key: name });
    },
    unwrap: async ({ key }) => ok(kept.get(String(key)) ?? new Uint8Array()),
  };
};

interface Subject {
  readonly name: string;
  readonly protection: VaultProtection;
  readonly passphrase: string | undefined;
  /** Opens vaults on one file; each call is a new start of the program. */
  readonly opener: () => (file: string) => KeyVault;
}

const SUBJECTS: readonly Subject[] = [
  { name: "passphrase vault", protection: "passphrase", passphrase: PASSPHRASE, opener: () => createPassphraseVault },
  { name: "file vault", protection: "file", passphrase: undefined, opener: () => createFileVault },
  {
    name: "keychain vault",
    protection: "keychain",
    passphrase: undefined,
    opener: () => {
      const slot = createSlotOnFakeKeychain();
      return (file) => createKeyFileVault(file, slot);
    },
  },
];

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-vault-"));
  file = path.join(folder, "keys", "vault.json");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.each(SUBJECTS)("$name", ({ protection, passphrase, opener }) => {
  test("P-VAULT-1 create makes an empty, unlocked vault and refuses a second one", async () => {
    const open = opener();
    const vault = open(file);
    expect(await vault.status()).toEqual(ok({ state: "absent", protection }));
    expect(await vault.create(passphrase)).toEqual(ok(null));
    expect(await vault.status()).toEqual(ok({ state: "unlocked", protection }));
    expect(await vault.load()).toEqual(ok(undefined));
    expect(await open(file).create(passphrase)).toMatchObject({ ok: false, error: { type: "VaultExists" } });
    expect(await keyFileProtection(file)).toEqual(ok(protection));
  });

  test("P-VAULT-2 P-VAULT-3 the last stored secret is there after a restart", async () => {
    const open = opener();
    const first = open(file);
    await first.create(passphrase);
    expect(await Promise.all([first.store(SECRET.subarray(1)), first.store(SECRET)])).toEqual([ok(null), ok(null)]);
    const second = open(file);
    expect(await second.status()).toEqual(ok({ state: "locked", protection }));
    expect(await second.unlock(passphrase)).toEqual(ok(null));
    expect(await second.load()).toEqual(ok(SECRET));
    expect(readdirSync(path.dirname(file))).toEqual(["vault.json"]);
  });

  test("P-VAULT-4 a locked vault neither stores nor loads", async () => {
    const open = opener();
    const vault = open(file);
    await vault.create(passphrase);
    await vault.store(SECRET);
    vault.lock();
    expect(await vault.load()).toMatchObject({ ok: false, error: { type: "VaultLocked" } });
    expect(await vault.store(SECRET)).toMatchObject({ ok: false, error: { type: "VaultLocked" } });
    expect(await open(path.join(folder, "none.json")).unlock(passphrase)).toMatchObject({
      ok: false,
      error: { type: "VaultAbsent" },
    });
  });

  test("P-VAULT-8 a derived key is the same after a restart, another for each label and vault, and needs an open vault", async () => {
    const open = opener();
    const first = open(file);
    await first.create(passphrase);
    const key = first.deriveKey("a");
    expect(key.ok && key.value.length).toBe(32);
    expect(first.deriveKey("b")).not.toEqual(key);
    const again = open(file);
    expect(again.deriveKey("a")).toMatchObject({ ok: false, error: { type: "VaultLocked" } });
    await again.unlock(passphrase);
    expect(again.deriveKey("a")).toEqual(key);
    const other = open(path.join(folder, "other.json"));
    await other.create(passphrase);
    expect(other.deriveKey("a")).not.toEqual(key);
  });

  test("P-VAULT-5 a damaged key file is reported and left as it is", async () => {
    const open = opener();
    const vault = open(file);
    await vault.create(passphrase);
    await vault.store(SECRET);
    const whole = readFileSync(file, "utf8");
    const content = JSON.parse(whole) as { secret: string };
    const flipped = `${content.secret.startsWith("A") ? "B" : "A"}${content.secret.slice(1)}`;
    const damaged = [
      "",
      "null",
      "[]",
      whole.slice(0, whole.length / 2),
      JSON.stringify({ ...content, version: 2 }),
      JSON.stringify({ ...content, slot: null }),
      JSON.stringify({ ...content, slot: { key: 1 } }),
      JSON.stringify({ ...content, secret: flipped }),
      JSON.stringify({ ...content, secret: "AAAA" }),
    ];
    for (const text of damaged) {
      writeFileSync(file, text);
      const again = open(file);
      const unlocked = await again.unlock(passphrase);
      const outcome = unlocked.ok ? await again.load() : unlocked;
      expect(outcome, text).toMatchObject({ ok: false, error: { type: "CorruptKeyFile" } });
      expect(readFileSync(file, "utf8")).toBe(text);
    }
  });

  test("P-VAULT-5 a key file of another protection is not overwritten", async () => {
    const other = SUBJECTS.find((subject) => subject.protection !== protection);
    await other?.opener()(file).create(other.passphrase);
    const before = readFileSync(file, "utf8");
    expect(await opener()(file).create(passphrase)).toMatchObject({ ok: false, error: { type: "CorruptKeyFile" } });
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  test("P-VAULT-6 P-VAULT-7 the file is its owner's and holds no secret in clear", async () => {
    const vault = opener()(file);
    await vault.create(passphrase);
    await vault.store(SECRET);
    const content = readFileSync(file);
    expect(content.includes(Buffer.from(SECRET))).toBe(false);
    expect(content.includes(Buffer.from(SECRET).toString("base64").slice(0, 40))).toBe(false);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("a folder in the file's place is a named error", async () => {
    mkdirSync(file, { recursive: true });
    expect(await opener()(file).create(passphrase)).toMatchObject({ ok: false, error: { type: "CorruptKeyFile" } });
  });
});

describe("passphrase vault", () => {
  test("a wrong passphrase and a missing one are told apart, and change nothing", async () => {
    const vault = createPassphraseVault(file);
    expect(await vault.create()).toMatchObject({ ok: false, error: { type: "PassphraseRequired" } });
    await vault.create(PASSPHRASE);
    await vault.store(SECRET);
    const before = readFileSync(file, "utf8");
    const again = createPassphraseVault(file);
    expect(await again.unlock("correct horse")).toMatchObject({ ok: false, error: { type: "WrongPassphrase" } });
    expect(await again.unlock("")).toMatchObject({ ok: false, error: { type: "PassphraseRequired" } });
    expect(await again.load()).toMatchObject({ ok: false, error: { type: "VaultLocked" } });
    expect(readFileSync(file, "utf8")).toBe(before);
  });

  test("the same passphrase in another Unicode form opens it", async () => {
    await createPassphraseVault(file).create("é ﬁ".normalize("NFC"));
    expect(await createPassphraseVault(file).unlock("é fi".normalize("NFD"))).toEqual(ok(null));
  });
});
