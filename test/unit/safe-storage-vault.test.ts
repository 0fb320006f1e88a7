import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const system = { backend: "basic_text", available: true };
/** As Electron behaves on Linux: with `basic_text` it says that it can encrypt, and does so with a password everybody knows. */
vi.mock("electron", () => ({
  safeStorage: {
    getSelectedStorageBackend: () => system.backend,
    isEncryptionAvailable: () => system.available,
    encryptString: (text: string) => Buffer.from(`v10${text}`),
    decryptString: (sealed: Buffer) => sealed.toString().slice("v10".length),
  },
}));
const { chooseVault } = await import("../../main/shell/choose-vault.ts");
const { createSafeStorageVault, hasKeychain } = await import("../../main/shell/safe-storage-vault.ts");

const platform = Object.getOwnPropertyDescriptor(process, "platform") as PropertyDescriptor;
let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-safe-storage-"));
  file = path.join(folder, "vault.json");
  Object.defineProperty(process, "platform", { ...platform, value: "linux" });
});
afterEach(() => {
  Object.defineProperty(process, "platform", platform);
  rmSync(folder, { recursive: true, force: true });
});

test.each(["basic_text", "unknown"])(
  "I46 the back end %s is never used silently: a passphrase is demanded in its place",
  async (backend) => {
    system.backend = backend;
    expect(await hasKeychain()).toBe(false);
    const vault = await chooseVault(file);
    expect(await vault.status()).toEqual({ ok: true, value: { state: "absent", protection: "passphrase" } });
    expect(await vault.create()).toMatchObject({ ok: false, error: { type: "PassphraseRequired" } });
    expect(await createSafeStorageVault(file).create()).toMatchObject({
      ok: false,
      error: { type: "KeychainUnavailable" },
    });
    expect(() => readFileSync(file)).toThrow("ENOENT");
  },
);

test("I46 keys wrapped by a real keychain are not opened, nor wrapped anew, once the system only has basic_text", async () => {
  system.backend = "gnome_libsecret";
  const real = await chooseVault(file);
  expect((await real.create()).ok).toBe(true);
  expect((await real.store(new TextEncoder().encode("secret"))).ok).toBe(true);
  const before = readFileSync(file, "utf8");
  expect(JSON.parse(before)).toMatchObject({ protection: "keychain" });

  system.backend = "basic_text";
  const vault = await chooseVault(file);
  expect(await vault.status()).toEqual({ ok: true, value: { state: "locked", protection: "keychain" } });
  expect(await vault.unlock()).toMatchObject({ ok: false, error: { type: "KeychainUnavailable" } });
  expect(await vault.load()).toMatchObject({ ok: false, error: { type: "VaultLocked" } });
  expect(readFileSync(file, "utf8")).toBe(before);

  system.backend = "gnome_libsecret";
  expect((await vault.unlock()).ok).toBe(true);
  expect(await vault.load()).toEqual({ ok: true, value: new TextEncoder().encode("secret") });
});

test("I46 a damaged key file is no reason for another protection", async () => {
  system.backend = "basic_text";
  writeFileSync(file, "{");
  expect(await (await chooseVault(file)).unlock("whatever")).toMatchObject({
    ok: false,
    error: { type: "CorruptKeyFile" },
  });
});
