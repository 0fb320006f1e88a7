import { createEngineCore } from "../../main/engine/engine-core.ts";
import type { EngineRequest, FromEngine, ToEngine } from "../../main/engine/engine-messages.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";

/** An engine process that dies on a change whose message says CRASH and spins on one that says HANG. */
const core = createEngineCore({
  ...automergeDependencies,
  automergeFile: () => new Uint8Array(),
  automergeChanges: () => [],
  memory: () => 0,
});

const holds = (request: EngineRequest, word: string): boolean => {
  const changes = request.type === "load" ? request.source.changes : request.type === "apply" ? request.changes : [];
  return changes.some((change) => Buffer.from(change).includes(word));
};

process.on("message", (message: ToEngine) => {
  if (holds(message.request, "CRASH")) process.kill(process.pid, "SIGKILL");
  if (holds(message.request, "HANG")) for (;;) process.hrtime();
  process.send?.({ type: "answer", id: message.id, answer: core.handle(message.request) } satisfies FromEngine);
});
process.send?.({ type: "ready" } satisfies FromEngine);
process.once("disconnect", () => process.exit(0));
