import type { ElectronApplication, Page } from "@playwright/test";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ContractTransport } from "../../app/contract/create-api.ts";
import { connectControl } from "../../main/control/control-client.ts";
import type { ElectronRuntime } from "../support/electron-runtime.ts";
import type { LaunchOptions } from "../support/launch-app.ts";
import { eventually, type HeadlessNode, startHeadless } from "../support/headless-node.ts";
import { launchApp, launchHidden, startApp } from "../support/launch-app.ts";
import { joinNotebook } from "../support/node-pair.ts";
import { expect, isRoot, test } from "./fixtures.ts";

const invoke = (page: Page, name: string, input?: unknown) =>
  page.evaluate(
    ([operation, argument]) =>
      (globalThis as unknown as { p2pcollab: ContractTransport }).p2pcollab.invoke(operation, argument),
    [name, input] as const,
  );

/** What the system's question gets for an answer from now on; it is counted. */
const answerQuestions = (application: ElectronApplication, response: number): Promise<void> =>
  application.evaluate(({ dialog }, given) => {
    const counter = globalThis as unknown as { questions: number };
    counter.questions ??= 0;
    dialog.showMessageBox = async () => {
      counter.questions++;
      return { response: given, checkboxChecked: false };
    };
  }, response);
const questions = (application: ElectronApplication): Promise<number> =>
  application.evaluate(() => (globalThis as unknown as { questions: number }).questions);
const closeWindow = (application: ElectronApplication): Promise<void> =>
  application.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.close());
const windowCount = (application: ElectronApplication): Promise<number> =>
  application.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length);

/** A program of the desktop, as the app finds it first: `gdbus` says whether anything shows tray icons. */
const desktop = (folder: string, hasTray: boolean): LaunchOptions["environment"] => {
  const programs = path.join(folder, "programs");
  mkdirSync(programs);
  writeFileSync(path.join(programs, "gdbus"), `#!/bin/sh\necho '(${String(hasTray)},)'\n`);
  chmodSync(path.join(programs, "gdbus"), 0o755);
  return { PATH: `${programs}:${process.env["PATH"] ?? ""}`, XDG_CONFIG_HOME: path.join(folder, "config") };
};

/** The app in a folder of its own, on a desktop that does or does not show tray icons. */
const optionsOn = (runtime: ElectronRuntime, display: string, folder: string, hasTray: boolean): LaunchOptions => ({
  runtime,
  display,
  sandbox: !isRoot,
  dataDirectory: path.join(folder, "data"),
  environment: desktop(folder, hasTray) ?? {},
});

test("without a tray closing asks; kept running, a link started by the system opens the window and joins nothing", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const options = optionsOn(runtime, display.name, dataDirectory, false);
  const { application, page } = await launchApp(options);
  expect(await invoke(page, "identity.create", { name: "Ann", passphrase: "seven quiet herons" })).toMatchObject({
    ok: true,
  });
  expect(await invoke(page, "shell.setBackground", { startAtLogin: true })).toEqual({
    ok: true,
    value: { whenClosed: "automatic", startAtLogin: true, hasTray: false },
  });
  const autostart = path.join(dataDirectory, "config", "autostart", "p2pcollab.desktop");
  expect(readFileSync(autostart, "utf8")).toContain(`"--hidden" "--data-dir" "${options.dataDirectory}"`);
  expect(await invoke(page, "shell.setBackground", { startAtLogin: false })).toMatchObject({ ok: true });
  expect(existsSync(autostart)).toBe(false);

  const keep = 0;
  await answerQuestions(application, keep);
  const closed = page.waitForEvent("close");
  await closeWindow(application);
  await closed;
  expect(await questions(application)).toBe(1);
  expect(await windowCount(application)).toBe(0);
  const control = await connectControl(options.dataDirectory);
  if (!control.ok) throw new Error(control.error.message);
  expect(await control.value.invoke("identity.show", undefined)).toMatchObject({ ok: true, value: { name: "Ann" } });
  control.value.close();

  const reopened = application.waitForEvent("window");
  expect(await startApp({ ...options, args: ["p2pcollab:j/AAAA"] })).toBe(0);
  const window = await reopened;
  const field = window.getByRole("textbox", { name: "Invite link" });
  await expect(field).toHaveValue("p2pc:j/AAAA");
  expect(await invoke(window, "invites.pending")).toEqual({ ok: true, value: [] });

  const quit = 1;
  await answerQuestions(application, quit);
  const ended = new Promise((resolve) => application.process().once("exit", resolve));
  await closeWindow(application);
  expect(await ended).toBe(0);
});

test("with a tray closing keeps the node; its menu pauses, opens and quits", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const options = optionsOn(runtime, display.name, dataDirectory, true);
  const { application, page } = await launchApp(options);
  await application.evaluate(({ Menu }) => {
    const build = Menu.buildFromTemplate.bind(Menu);
    Menu.buildFromTemplate = (template) => {
      const menu = build(template);
      (globalThis as unknown as { menu: Electron.Menu }).menu = menu;
      return menu;
    };
  });
  const item = (label: string) =>
    application.evaluate((_, wanted) => {
      const found = (globalThis as unknown as { menu?: Electron.Menu }).menu?.items.find(
        (candidate) => candidate.label === wanted,
      );
      return found === undefined ? null : { checked: found.checked };
    }, label);
  const choose = (label: string) =>
    application.evaluate((_, wanted) => {
      (globalThis as unknown as { menu: Electron.Menu }).menu.items.find(({ label: at }) => at === wanted)?.click();
    }, label);

  expect(await invoke(page, "identity.create", { name: "Ann", passphrase: "seven quiet herons" })).toMatchObject({
    ok: true,
  });
  await expect.poll(() => invoke(page, "shell.background")).toMatchObject({ value: { hasTray: true } });
  await invoke(page, "sync.pause", { paused: true });
  await expect.poll(() => item("Pause syncing")).toEqual({ checked: true });
  expect(await item("Paused")).not.toBeNull();

  const closed = page.waitForEvent("close");
  await closeWindow(application);
  await closed;
  await choose("Pause syncing");
  await expect.poll(() => item("Pause syncing")).toEqual({ checked: false });
  const reopened = application.waitForEvent("window");
  await choose("Open p2pcollab");
  await (await reopened).getByRole("heading", { name: "Start with a notebook" }).waitFor();
  const ended = new Promise((resolve) => application.process().once("exit", resolve));
  await choose("Quit");
  expect(await ended).toBe(0);
});

test("started hidden, as at login, it has no window until it is started again", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const options = optionsOn(runtime, display.name, dataDirectory, false);
  const application = await launchHidden({ ...options, args: ["--hidden"] });
  await expect.poll(async () => (await connectControl(options.dataDirectory)).ok, { timeout: 30_000 }).toBe(true);
  expect(await windowCount(application)).toBe(0);
  const opened = application.waitForEvent("window");
  expect(await startApp(options)).toBe(0);
  await (await opened).getByRole("button", { name: "Get started" }).waitFor();
  await application.close();
});

/** Connecting, joining and pulling, each with its own retries. */
const CARRIED_MS = 90_000;

test("I26 I27 an app in the tray carries a note to somebody who comes later, and holds no word of it", async ({
  runtime,
  display,
  dataDirectory,
}) => {
  const options = optionsOn(runtime, display.name, dataDirectory, true);
  const data = options.dataDirectory;
  const { application, page } = await launchApp(options);
  const nodes: HeadlessNode[] = [];
  const linkOf = (answer: unknown): string => {
    const { ok, value } = answer as { readonly ok: boolean; readonly value: string };
    expect(ok).toBe(true);
    return value;
  };
  const person = async (name: string): Promise<HeadlessNode> => {
    const node = await startHeadless(path.join(dataDirectory, name));
    nodes.push(node);
    await node.call("identity.create", { name });
    return node;
  };
  try {
    await expect.poll(() => invoke(page, "shell.background")).toMatchObject({ value: { hasTray: true } });
    expect(await invoke(page, "shell.setServing", { active: true })).toMatchObject({
      ok: true,
      value: { active: true, problem: null },
    });
    // Only a window has this door, and there is none later.
    const links = await Promise.all([invoke(page, "shell.servingLink"), invoke(page, "shell.servingLink")]);
    const closed = page.waitForEvent("close");
    await closeWindow(application);
    await closed;
    await expect.poll(() => windowCount(application)).toBe(0);

    const [ada, ben] = [await person("Ada"), await person("Ben")];
    const notebook = (await ada.call("notebooks.create", { title: "Heronry canary" })).id;
    await joinNotebook(ada, ben, notebook);
    for (const node of [ada, ben]) await node.call("proxies.add", { link: linkOf(links.pop()) });
    await ben.stop();
    const written = { notebook, title: "Herons", markdown: "forty nests canary" };
    const document = (await ada.call("documents.create", written)).id;
    await eventually(
      async () => {
        const { safe, undelivered } = await ada.call("sync.summary");
        return safe.on === 1 && safe.of === 1 && undelivered === 0;
      },
      "everything kept by the app in the tray",
      CARRIED_MS,
    );
    await ada.stop();

    const later = await startHeadless(ben.dataDirectory);
    nodes.push(later);
    await eventually(
      async () => {
        const notes = await later.call("documents.list", { notebook });
        return notes.some(({ id }) => id === document);
      },
      "the note at the other side",
      CARRIED_MS,
    );
    expect((await later.call("documents.read", { document })).text).toContain("forty nests canary");

    const kept = path.join(data, "proxy");
    const files = readdirSync(kept, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name)).toContain("proxy.db");
    for (const { parentPath, name } of files) {
      const bytes = readFileSync(path.join(parentPath, name));
      for (const secret of ["canary", "Heronry", notebook]) expect(bytes.includes(secret)).toBe(false);
      expect(bytes.includes(Buffer.from(notebook, "hex"))).toBe(false);
    }
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await application.close();
  }
  expect(existsSync(path.join(data, "proxy", "running"))).toBe(false);
});
