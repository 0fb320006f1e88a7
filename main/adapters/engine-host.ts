import { fork } from "node:child_process";
import path from "node:path";
import type { Engine, EngineError } from "../../app/ports/engine.ts";
import type { Log } from "../../app/ports/log.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import type {
  Applied,
  EngineAnswer,
  EngineAnswers,
  EngineRequest,
  FromEngine,
  ToEngine,
} from "../engine/engine-messages.ts";

/** A running engine process. `exited` may come after `kill`. */
export interface EngineProcess {
  readonly post: (message: ToEngine) => void;
  readonly kill: () => void;
}
export interface EngineListener {
  readonly message: (message: FromEngine) => void;
  readonly exited: () => void;
}
/** Starts an engine process: a forked Node process when headless, a utility process inside Electron. */
export type EngineSpawner = (listener: EngineListener) => EngineProcess;

/** Heap of the engine process is bounded to 1 GiB; beyond it V8 ends the process, which counts as a crash. */
export const ENGINE_ARGUMENTS: readonly string[] = ["--max-old-space-size=1024"];

/** File of the engine process: beside this one's folder in the sources, beside the bundle's entries when built. */
export const engineEntry = (): string => {
  const folder = import.meta.dirname;
  if (import.meta.filename.endsWith(".ts")) return path.join(folder, "..", "engine", "engine-process.ts");
  return path.join(path.basename(folder) === "chunks" ? path.dirname(folder) : folder, "engine-process.js");
};

/** Spawns the engine with the Node that runs now. */
export const createForkSpawner =
  (entry: string): EngineSpawner =>
  (listener) => {
    const child = fork(entry, {
      serialization: "advanced",
      execArgv: [...ENGINE_ARGUMENTS],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child.on("message", (message) => {
      listener.message(message as FromEngine);
    });
    child.once("exit", listener.exited);
    child.once("error", listener.exited);
    return {
      post: (message) => {
        // A send that fails comes with the exit of the process, which is handled there.
        child.send(message, () => undefined);
      },
      kill: () => child.kill("SIGKILL"),
    };
  };

/** Milliseconds until a new process must be ready: one on a busy two-core machine takes two seconds. */
const START_TIME = 30_000;
/** Milliseconds any request may take. */
const BASE_TIME = 10_000;
/** More per KiB of changes: a hundred times what they took when measured. */
const TIME_PER_KIB = 20;
/** More per KiB of Markdown, whose parser took 20 when measured; the machine may be ten times as busy. */
const TIME_PER_MARKDOWN_KIB = 300;
/** More for reading a whole note, whose size the host does not know: the largest text takes about ten seconds. */
const READ_TIME = 60_000;

export interface EngineHostOptions {
  readonly baseTime?: number;
}

interface Job {
  readonly request: EngineRequest;
  readonly settle: (answer: EngineAnswer) => void;
  /** True for probes of the host itself, which are never tried twice. */
  readonly isProbe: boolean;
  attempts: number;
}

const sum = (parts: readonly Uint8Array[]): number => parts.reduce((total, part) => total + part.length, 0);

/** How much smaller a file is than its changes, at most: a note of 260 000 keystrokes has 130 kB and 30 MB. */
const FILE_EXPANSION = 256;

/** Milliseconds a request may take beyond the base. */
const extraTime = (request: EngineRequest): number => {
  switch (request.type) {
    case "load":
      return (((request.source.snapshot?.length ?? 0) + sum(request.source.changes)) / 1024) * TIME_PER_KIB;
    case "apply":
    case "automerge":
      return (sum(request.changes) / 1024) * TIME_PER_KIB;
    case "history":
      return (request.file.length / 1024) * TIME_PER_KIB * FILE_EXPANSION;
    case "convert":
      return (request.input.markdown.length / 1024) * TIME_PER_MARKDOWN_KIB;
    case "create":
    case "edit": {
      const content = request.type === "create" ? request.document : request.edits;
      return READ_TIME + (JSON.stringify(content).length / 1024) * TIME_PER_MARKDOWN_KIB;
    }
    case "read":
    case "facts":
    case "snapshot":
      return READ_TIME;
    case "unload":
      return 0;
  }
};

/**
 * The `Engine` port over a process that may die. One request is in the process at a time: whatever kills it is known to be
 * that one. It is tried once more in a fresh process; if that dies too, a batch of changes is halved until the first
 * poisonous one is found and named.
 */
export const createEngineHost = (
  log: Log,
  spawn: EngineSpawner = createForkSpawner(engineEntry()),
  options: EngineHostOptions = {},
): Engine => {
  const baseTime = options.baseTime ?? BASE_TIME;
  const waiting: Job[] = [];
  let engine: EngineProcess | undefined;
  let isReady = false;
  let running: { readonly job: Job; readonly id: number; timer: NodeJS.Timeout } | undefined;
  let nextId = 1;
  let isStopped = false;

  const start = (): EngineProcess => {
    const started: EngineProcess = spawn({
      message: (message) => {
        if (engine !== started) return;
        if (message.type === "ready") {
          isReady = true;
          send();
        } else if (running?.id === message.id) finish(message.answer);
      },
      exited: () => {
        if (engine !== started) return;
        engine = undefined;
        if (running !== undefined) failed("EngineCrashed");
      },
    });
    isReady = false;
    return started;
  };

  const limit = (milliseconds: number): NodeJS.Timeout =>
    setTimeout(() => {
      end();
      failed("EngineTimeout");
    }, milliseconds).unref();

  /** Hands the running job to a process that is ready. */
  const send = (): void => {
    if (running === undefined || engine === undefined) return;
    const { request } = running.job;
    clearTimeout(running.timer);
    running.timer = limit(baseTime + extraTime(request));
    engine.post({ id: running.id, request });
  };

  const end = (): void => {
    const dying = engine;
    engine = undefined;
    dying?.kill();
  };

  const finish = (answer: EngineAnswer): void => {
    const { job, timer } = running as NonNullable<typeof running>;
    clearTimeout(timer);
    running = undefined;
    job.settle(answer);
    pump();
  };

  /** The process died or hung over the running request. */
  const failed = (type: "EngineCrashed" | "EngineTimeout"): void => {
    const { job, timer } = running as NonNullable<typeof running>;
    clearTimeout(timer);
    running = undefined;
    if (isStopped) return;
    log.warn("engine process replaced", { fault: type, request: job.request.type, probe: job.isProbe });
    job.attempts++;
    if (job.isProbe || job.attempts > 1) job.settle(err({ type, message: type }));
    else if (needsDocument(job.request)) job.settle(err({ type: "NotLoaded", message: "the engine was restarted" }));
    else waiting.unshift(job);
    pump();
  };

  const pump = (): void => {
    if (running !== undefined || isStopped) return;
    const job = waiting.shift();
    if (job === undefined) return;
    engine ??= start();
    running = { job, id: nextId++, timer: limit(START_TIME) };
    if (isReady) send();
  };

  const ask = <Type extends EngineRequest["type"]>(
    request: Extract<EngineRequest, { type: Type }>,
    isProbe = false,
  ): Promise<EngineAnswer<Type>> =>
    new Promise((resolve) => {
      if (isStopped) {
        resolve(err({ type: "NotLoaded", message: "the engine has stopped" }));
        return;
      }
      const settle = (answer: EngineAnswer): void => {
        resolve(answer as EngineAnswer<Type>);
      };
      const job: Job = { request, settle, isProbe, attempts: 0 };
      if (isProbe) waiting.unshift(job);
      else waiting.push(job);
      pump();
    });

  /** Index of the first change whose addition kills the engine; `undefined` when the beginning alone does. */
  const findPoison = async (
    request: Extract<EngineRequest, { type: "load" | "automerge" }>,
  ): Promise<number | undefined> => {
    const changes = request.type === "load" ? request.source.changes : request.changes;
    const survives = async (count: number): Promise<boolean> => {
      const part = changes.slice(0, count);
      const answer =
        request.type === "load"
          ? await ask({ ...request, key: PROBE_KEY, source: { ...request.source, changes: part } }, true)
          : await ask({ ...request, changes: part }, true);
      return answer.ok || !isDeath(answer.error);
    };
    let good = 0;
    let bad = changes.length;
    if (!(await survives(0))) return undefined;
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      if (await survives(middle)) good = middle;
      else bad = middle;
    }
    void (await ask({ type: "unload", key: PROBE_KEY }, true));
    return bad - 1;
  };

  const askForBatch = async <Type extends "load" | "automerge">(
    request: Extract<EngineRequest, { type: Type }>,
  ): Promise<Result<EngineAnswers[Type], EngineError>> => {
    const answer = await ask<Type>(request);
    if (answer.ok || !isDeath(answer.error)) return answer;
    const index = await findPoison(request);
    log.error("poisonous change", { fault: answer.error.type, index: index ?? -1 });
    return err({ ...answer.error, ...(index === undefined ? {} : { index }) });
  };

  /** Logs what was left out of a document; the rest of it is there. */
  const noted = (key: number, answer: Result<Applied, EngineError>): Result<null, EngineError> => {
    if (!answer.ok) return answer;
    const { refused } = answer.value;
    if (refused.length > 0)
      log.warn("changes refused", { document: key, count: refused.length, first: refused[0] ?? 0 });
    return ok(null);
  };

  return {
    load: async (key, source) => noted(key, await askForBatch<"load">({ type: "load", key, source })),
    apply: async (key, changes) => noted(key, await ask<"apply">({ type: "apply", key, changes })),
    read: (key) => ask<"read">({ type: "read", key }),
    facts: (key) => ask<"facts">({ type: "facts", key }),
    edit: (key, actor, time, edits) => ask<"edit">({ type: "edit", key, actor, time, edits }),
    create: (actor, time, document) => ask<"create">({ type: "create", actor, time, document }),
    convert: (input) => ask<"convert">({ type: "convert", input }),
    snapshot: (key) => ask<"snapshot">({ type: "snapshot", key }),
    automerge: (changes) => askForBatch<"automerge">({ type: "automerge", changes }),
    history: (file) => ask<"history">({ type: "history", file }),
    unload: async (key) => {
      void (await ask<"unload">({ type: "unload", key }));
    },
    stop: () => {
      isStopped = true;
      const stopped = err({ type: "NotLoaded" as const, message: "the engine has stopped" });
      if (running !== undefined) {
        clearTimeout(running.timer);
        running.job.settle(stopped);
        running = undefined;
      }
      for (const job of waiting.splice(0)) job.settle(stopped);
      end();
      return Promise.resolve();
    },
  };
};

/** Key of the copies that the search for a poisonous change loads; documents have positive numbers. */
const PROBE_KEY = -1;

const isDeath = ({ type }: EngineError): boolean => type === "EngineCrashed" || type === "EngineTimeout";

/** Requests that a fresh process cannot answer, because its documents are gone. */
const needsDocument = ({ type }: EngineRequest): boolean =>
  type === "apply" || type === "read" || type === "facts" || type === "edit" || type === "snapshot";
