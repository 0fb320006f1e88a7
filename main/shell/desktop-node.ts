import { app, utilityProcess } from "electron";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { ContractError } from "../../app/contract/errors.ts";
import type { ContractHost } from "../../app/contract/handlers.ts";
import type { ShellHandlers } from "../../app/node.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createEngineHost } from "../adapters/engine-host.ts";
import { createJsonLog } from "../adapters/json-log.ts";
import { createTcpTransport } from "../adapters/tcp-transport.ts";
import type { RunningNode } from "../compose.ts";
import { startNode } from "../compose.ts";
import { chooseVault } from "./choose-vault.ts";
import { createDeferredContract } from "./deferred-contract.ts";
import { watchPower } from "./power.ts";
import { spawnUtilityProcess } from "./utility-process.ts";

/** The node inside the windowed app. The window opens while it starts: calls wait until it is there. */
export interface DesktopNode {
  readonly contract: ContractHost;
  readonly started: Promise<Result<RunningNode, ContractError>>;
  readonly readAttachment: RunningNode["readAttachment"];
  readonly stop: () => Promise<void>;
}

/** Starts the node of this app's data folder. Call after the app is ready. `scripts`: folder of the built main scripts. */
export const startDesktopNode = (scripts: string, shell: ShellHandlers, requestStop: () => void): DesktopNode => {
  const dataDirectory = app.getPath("userData");
  const log = createJsonLog({ folder: path.join(dataDirectory, "logs"), level: "info", now: Date.now, stderr: true });
  const start = async (): Promise<Result<RunningNode, ContractError>> => {
    const node = await startNode({
      dataDirectory,
      identities: [],
      listenHost: undefined,
      listenPort: 0,
      mdns: true,
      version: app.getVersion(),
      hostName: `Electron ${process.versions.electron ?? ""}`,
      createVault: chooseVault,
      createTransport: createTcpTransport,
      log,
      readerScript: pathToFileURL(path.join(scripts, "reader-worker.js")),
      historyScript: pathToFileURL(path.join(scripts, "history-worker.js")),
      compactorScript: pathToFileURL(path.join(scripts, "compactor-worker.js")),
      openerScript: pathToFileURL(path.join(scripts, "opener-worker.js")),
      backupScript: pathToFileURL(path.join(scripts, "backup-worker.js")),
      createEngine: () => createEngineHost(log, spawnUtilityProcess(utilityProcess)),
      shell,
      requestStop,
    });
    if (node.ok) watchPower({ suspended: () => undefined, resumed: node.value.wake });
    return node;
  };
  const started = start();
  const refusal = (error: ContractError): ContractHost => ({
    invoke: async () => ({ ok: false, error }),
    subscribe: (_name, _input, emit) => {
      emit({ ok: false, error });
      return () => undefined;
    },
  });
  return {
    started,
    contract: createDeferredContract(started.then((node) => (node.ok ? node.value.contract : refusal(node.error)))),
    readAttachment: async (identity, notebook, blob) => {
      const node = await started;
      return node.ok ? node.value.readAttachment(identity, notebook, blob) : node;
    },
    stop: async () => {
      const node = await started;
      if (node.ok) await node.value.stop();
      log.close();
    },
  };
};
