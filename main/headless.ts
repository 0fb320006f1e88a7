import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { contract } from "../app/contract/contract.ts";
import { createApi } from "../app/contract/create-api.ts";
import type { ContractError } from "../app/contract/errors.ts";
import { contractError } from "../app/contract/errors.ts";
import type { AppEvent } from "../app/contract/types.ts";
import type { KeyVault } from "../app/ports/key-vault.ts";
import type { Result } from "../protocol/kernel/result.ts";
import { err } from "../protocol/kernel/result.ts";
import { createEngineHost } from "./adapters/engine-host.ts";
import { createFileVault } from "./adapters/file-vault.ts";
import { createJsonLog } from "./adapters/json-log.ts";
import { createTcpTransport } from "./adapters/tcp-transport.ts";
import { createPassphraseVault } from "./adapters/passphrase-vault.ts";
import { startNode } from "./compose.ts";
import { connectControl } from "./control/control-client.ts";
import { encodeJson } from "./control/control-protocol.ts";

const USAGE = `p2pcollab: notes shared without a server

  p2pcollab node --data-dir FOLDER [--identity NAME]… [--listen HOST:PORT] [--no-mdns] [--passphrase-file FILE] [--log-level LEVEL]
      runs a node without a window until it is told to stop, for all identities of that folder or for those named
  p2pcollab node --proxy --data-dir FOLDER [--help]
      runs an always-on node that keeps what its people write and cannot read it
  p2pcollab ctl --data-dir FOLDER [--identity NAME] OPERATION [JSON]
      runs one operation on the node of that folder and prints its answer as JSON; "-" reads the input from standard input
  p2pcollab identities --data-dir FOLDER list | add NAME | rename NAME NEW-NAME | remove NAME
      shows and changes who lives in that folder; NAME may be an id
  p2pcollab ctl --help
      lists the operations
`;

const VERSION = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { readonly version: string }
).version;

const fail = (error: { readonly type: string; readonly message: string }): never => {
  process.stderr.write(`${JSON.stringify({ type: error.type, message: error.message })}\n`);
  process.exit(1);
};

const invalid = (message: string): never => fail({ type: "InvalidInput", message });

const parseListen = (text: string | undefined): { readonly host: string | undefined; readonly port: number } => {
  if (text === undefined) return { host: undefined, port: 0 };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return invalid(`--listen takes HOST:PORT, not "${text}".`);
  return { host: match[1] ?? (match[2] === "" ? undefined : match[2]), port };
};

const print = (value: unknown) => process.stdout.write(`${encodeJson(value ?? null)}\n`);

const dataDirectoryOf = (given: string | undefined): string =>
  path.resolve(given ?? path.join(os.homedir(), ".p2pcollab"));

/** A vault whose passphrase the operator put into a file, so that it is neither in argv nor in the environment. */
const vaultWithPassphrase = (file: string, passphrase: string): KeyVault => {
  const vault = createPassphraseVault(file);
  return {
    ...vault,
    create: (given) => vault.create(given ?? passphrase),
    unlock: (given) => vault.unlock(given ?? passphrase),
  };
};

const runNode = async (args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "data-dir": { type: "string" },
      identity: { type: "string", multiple: true },
      listen: { type: "string" },
      "no-mdns": { type: "boolean" },
      "passphrase-file": { type: "string" },
      "log-level": { type: "string" },
    },
  });
  const dataDirectory = dataDirectoryOf(values["data-dir"]);
  const level = values["log-level"] ?? "info";
  if (level !== "debug" && level !== "info" && level !== "warn" && level !== "error")
    return invalid("--log-level is debug, info, warn or error.");
  const { host, port } = parseListen(values.listen);
  let createVault: (file: string) => KeyVault = createFileVault;
  if (values["passphrase-file"] === undefined)
    process.stderr.write(
      "p2pcollab: the keys are protected by file permissions only. To wrap them in a passphrase: --passphrase-file FILE\n",
    );
  else {
    const passphrase = readFileSync(values["passphrase-file"], "utf8").replace(/\r?\n$/, "");
    if (passphrase === "") return invalid("the passphrase file is empty.");
    createVault = (file) => vaultWithPassphrase(file, passphrase);
  }
  const log = createJsonLog({ folder: path.join(dataDirectory, "logs"), level, now: Date.now, stderr: true });
  let stop: (() => void) | undefined;
  let stopRequested = false;
  const unsupported = async () => err(contractError("Unsupported"));
  const started = await startNode({
    dataDirectory,
    identities: values.identity ?? [],
    listenHost: host,
    listenPort: port,
    mdns: values["no-mdns"] !== true,
    version: VERSION,
    hostName: "headless",
    createVault: async (file) => createVault(file),
    createTransport: createTcpTransport,
    log,
    readerScript: new URL("./adapters/reader-worker.ts", import.meta.url),
    historyScript: new URL("./adapters/history-worker.ts", import.meta.url),
    compactorScript: new URL("./adapters/compactor-worker.ts", import.meta.url),
    openerScript: new URL("./adapters/opener-worker.ts", import.meta.url),
    backupScript: new URL("./adapters/backup/backup-worker.ts", import.meta.url),
    createEngine: () => createEngineHost(log),
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
    requestStop: () => {
      stopRequested = true;
      setImmediate(() => stop?.());
    },
  });
  if (!started.ok) return fail(started.error);
  started.value.contract.subscribe("events", undefined, (message) => {
    const event = message.ok ? (message.value as AppEvent) : undefined;
    if (event?.type === "problem") process.stderr.write(`${JSON.stringify(event.error)}\n`);
  });
  process.stdout.write(`${JSON.stringify({ ready: true, listening: started.value.listening, dataDirectory })}\n`);
  let stopping = false;
  stop = () => {
    if (stopping) return;
    stopping = true;
    void started.value.stop().then(() => {
      log.close();
      process.exit(0);
    });
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  // The command that started us was killed: nobody could stop this node any more.
  if (process.send !== undefined) process.once("disconnect", stop);
  if (stopRequested) stop();
};

/** `list`, `add`, `rename` and `remove` by name, for people; each is an operation of the contract as well. */
const runIdentities = async (args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { "data-dir": { type: "string" } },
  });
  const [action, named, newName, ...rest] = positionals;
  const wanted = { list: 1, add: 2, rename: 3, remove: 2 }[action ?? ""];
  if (wanted !== positionals.length || rest.length > 0)
    return invalid(
      "usage: p2pcollab identities --data-dir FOLDER list | add NAME | rename NAME NEW-NAME | remove NAME",
    );
  const client = await connectControl(dataDirectoryOf(values["data-dir"]));
  if (!client.ok) return fail(client.error);
  const api = createApi(client.value);
  const answered = <T>(answer: Result<T, ContractError>): T => (answer.ok ? answer.value : fail(answer.error));
  const idOf = async (): Promise<string> => {
    const found = answered(await api.call("identities.list")).filter(({ id, name }) => id === named || name === named);
    return found.length === 1 ? (found[0] as { readonly id: string }).id : fail(contractError("IdentityNotFound"));
  };
  if (action === "list") print(answered(await api.call("identities.list")));
  else if (action === "rename")
    print(answered(await api.call("identities.update", { id: await idOf(), name: newName ?? "" })));
  else if (action === "remove") print(answered(await api.call("identities.remove", { id: await idOf() })));
  else {
    const { id } = answered(await api.call("identities.add"));
    const created = await createApi(client.value, id).call("identity.create", { name: named ?? "" });
    print({ ...answered(created), installed: id });
  }
  client.value.close();
};

const runControl = async (args: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { "data-dir": { type: "string" }, identity: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    for (const [name, { kind }] of Object.entries(contract)) process.stdout.write(`${kind.padEnd(8)} ${name}\n`);
    return;
  }
  const [name, json, ...rest] = positionals;
  if (name === undefined || rest.length > 0)
    return invalid("usage: p2pcollab ctl --data-dir FOLDER [--identity NAME] OPERATION [JSON]");
  let input: unknown;
  try {
    input = json === undefined ? undefined : JSON.parse(json === "-" ? readFileSync(0, "utf8") : json);
  } catch {
    return invalid("the input is not JSON.");
  }
  const client = await connectControl(dataDirectoryOf(values["data-dir"]));
  if (!client.ok) return fail(client.error);
  if (Object.hasOwn(contract, name) && contract[name as keyof typeof contract].kind === "stream") {
    client.value.subscribe(
      name,
      input,
      (message) => {
        if (message.ok) print(message.value);
        else fail(message.error);
      },
      values.identity,
    );
    return;
  }
  const answer = await client.value.invoke(name, input, values.identity);
  if (!answer.ok) return fail(answer.error);
  print(answer.value);
  client.value.close();
};

// A reader that went away, such as `head`, ends the command as it ends every other one.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  if (cause.code === "EPIPE") process.exit(0);
  throw cause;
});

const [command, ...args] = process.argv.slice(2);
try {
  if (command === "node") await runNode(args);
  else if (command === "ctl") await runControl(args);
  else if (command === "identities") await runIdentities(args);
  else {
    process.stdout.write(USAGE);
    process.exitCode = command === undefined || command === "--help" || command === "help" ? 0 : 1;
  }
} catch (cause) {
  if (cause instanceof Error && "code" in cause && String(cause.code).startsWith("ERR_PARSE_ARGS"))
    invalid(cause.message);
  throw cause;
}
