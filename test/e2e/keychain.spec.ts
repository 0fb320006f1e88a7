import type { Page } from "@playwright/test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ContractTransport } from "../../app/contract/create-api.ts";
import type { LaunchOptions } from "../support/launch-app.ts";
import { launchApp } from "../support/launch-app.ts";
import { expect, isRoot, test } from "./fixtures.ts";

const invoke = (page: Page, name: string, input?: unknown) =>
  page.evaluate(
    ([operation, argument]) =>
      (globalThis as unknown as { p2pcollab: ContractTransport }).p2pcollab.invoke(operation, argument),
    [name, input] as const,
  );

/** A program that starts Electron in a D-Bus session of its own with an unlocked GNOME keyring kept in `home`. */
const keyringSession = (home: string, electron: string): Pick<LaunchOptions, "executable" | "environment"> => {
  const script = path.join(home, "session.sh");
  const inside = `printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null; exec '${electron}' --password-store=gnome-libsecret "$@"`;
  writeFileSync(path.join(home, "inside.sh"), `#!/bin/sh\n${inside}\n`);
  writeFileSync(script, `#!/bin/sh\nexec dbus-run-session -- sh '${path.join(home, "inside.sh")}' "$@"\n`);
  chmodSync(script, 0o755);
  return {
    executable: script,
    environment: { HOME: home, XDG_RUNTIME_DIR: home, XDG_DATA_HOME: path.join(home, "share") },
  };
};

test("with a system keychain the keys are wrapped by it and open without a passphrase", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const home = path.join(dataDirectory, "home");
  mkdirSync(home, { mode: 0o700 });
  const data = path.join(dataDirectory, "data");
  const options = {
    runtime,
    display: display.name,
    sandbox: !isRoot,
    dataDirectory: data,
    ...keyringSession(home, runtime.executable),
  };

  const first = await launchApp(options);
  try {
    expect(await invoke(first.page, "vault.status")).toEqual({
      ok: true,
      value: { state: "absent", protection: "keychain" },
    });
    expect(await invoke(first.page, "identity.create", { name: "Ann" })).toMatchObject({ ok: true });
  } finally {
    await first.application.close();
  }
  expect(JSON.parse(readFileSync(path.join(data, "vault.json"), "utf8"))).toMatchObject({ protection: "keychain" });

  const second = await launchApp(options);
  try {
    expect(await invoke(second.page, "identity.show")).toMatchObject({
      ok: true,
      value: { name: "Ann", protection: "keychain" },
    });
  } finally {
    await second.application.close();
  }
});

test("without a keychain a passphrase is demanded, never a weaker protection", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const options = { runtime, display: display.name, sandbox: !isRoot, dataDirectory };
  const passphrase = "a long enough passphrase";
  const first = await launchApp(options);
  try {
    expect(await invoke(first.page, "vault.status")).toEqual({
      ok: true,
      value: { state: "absent", protection: "passphrase" },
    });
    expect(await invoke(first.page, "identity.create", { name: "Bob" })).toMatchObject({
      ok: false,
      error: { type: "PassphraseRequired" },
    });
    expect(await invoke(first.page, "identity.create", { name: "Bob", passphrase })).toMatchObject({ ok: true });
  } finally {
    await first.application.close();
  }

  const second = await launchApp(options);
  try {
    expect(await invoke(second.page, "vault.status")).toMatchObject({ ok: true, value: { state: "locked" } });
    expect(await invoke(second.page, "vault.unlock", { passphrase: "another" })).toMatchObject({
      ok: false,
      error: { type: "WrongPassphrase" },
    });
    expect(await invoke(second.page, "vault.unlock", { passphrase })).toMatchObject({
      ok: true,
      value: { state: "unlocked" },
    });
    expect(await invoke(second.page, "identity.show")).toMatchObject({ ok: true, value: { name: "Bob" } });
  } finally {
    await second.application.close();
  }
});
