import { afterEach, expect, test } from "vitest";
import type { Engine } from "../../app/ports/engine.ts";
import { createApi } from "../../app/contract/create-api.ts";
import { contractError } from "../../app/contract/errors.ts";
import { createEngineHost } from "../../main/adapters/engine-host.ts";
import { createFileVault } from "../../main/adapters/file-vault.ts";
import { createTcpTransport } from "../../main/adapters/tcp-transport.ts";
import { startNode } from "../../main/compose.ts";
import { err } from "../../protocol/kernel/result.ts";
import { removeFolder, temporaryFolder } from "../support/headless-node.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) removeFolder(folder);
});

test("quitting right after typing does not wait for an engine that has not answered", async () => {
  const folder = temporaryFolder("quit");
  folders.push(folder);
  const lines: string[] = [];
  const note = (message: string) => lines.push(message);
  const log = { debug: () => undefined, info: () => undefined, warn: note, error: note };
  const host = createEngineHost(log);
  let asked: (() => void) | undefined;
  const reading = new Promise<void>((resolve) => (asked = resolve));
  let answer: (() => void) | undefined;
  let isStarting = false;
  // As a process that is still starting: no answer until the engine is stopped.
  const engine: Engine = {
    ...host,
    facts: (key) =>
      isStarting
        ? new Promise((resolve) => {
            asked?.();
            answer = () => resolve(err({ type: "NotLoaded", message: "the engine has stopped" }));
          })
        : host.facts(key),
    stop: async () => {
      answer?.();
      await host.stop();
    },
  };
  const unsupported = async () => err(contractError("Unsupported"));
  const started = await startNode({
    dataDirectory: folder,
    identities: [],
    listenHost: "127.0.0.1",
    listenPort: 0,
    mdns: false,
    version: "0",
    hostName: "test",
    createVault: async (file) => createFileVault(file),
    createTransport: createTcpTransport,
    log,
    readerScript: new URL("../../main/adapters/reader-worker.ts", import.meta.url),
    historyScript: new URL("../../main/adapters/history-worker.ts", import.meta.url),
    compactorScript: new URL("../../main/adapters/compactor-worker.ts", import.meta.url),
    openerScript: new URL("../../main/adapters/opener-worker.ts", import.meta.url),
    backupScript: new URL("../../main/adapters/backup/backup-worker.ts", import.meta.url),
    createEngine: () => engine,
    shell: {
      "shell.pickFolder": unsupported,
      "shell.pickFile": unsupported,
      "shell.pickSavePath": unsupported,
      "shell.openExternal": unsupported,
      "shell.copyText": unsupported,
      "shell.background": unsupported,
      "shell.setBackground": unsupported,
      "shell.takeLink": unsupported,
      "shell.serving": unsupported,
      "shell.setServing": unsupported,
      "shell.servingLink": unsupported,
    },
    requestStop: () => undefined,
  });
  if (!started.ok) throw new Error(started.error.message);
  const { contract, stop } = started.value;
  const api = createApi({
    invoke: (name, input) => contract.invoke(name, input),
    subscribe: (name, input, listener) => contract.subscribe(name, input, listener),
  });
  expect((await api.call("identity.create", { name: "Ada" })).ok).toBe(true);
  const notebook = await api.call("notebooks.create", { title: "Typing" });
  if (!notebook.ok) throw new Error(notebook.error.message);
  const created = await api.call("documents.create", { notebook: notebook.value.id, title: "Note", markdown: "a" });
  if (!created.ok) throw new Error(created.error.message);
  isStarting = true;
  expect((await api.call("documents.edit", { document: created.value.id, appendMarkdown: "b" })).ok).toBe(true);
  await reading;
  await stop();
  expect(lines).not.toContain("still stopping");
});
