import { inflateRawSync } from "node:zlib";
import * as Automerge from "@automerge/automerge";
import { oneShotHash } from "../adapters/one-shot-hash.ts";
import { createEngineCore } from "./engine-core.ts";
import type { FromEngine, ToEngine } from "./engine-messages.ts";

/** Port of an Electron utility process; a forked Node process has none and speaks over `process` itself. */
interface ParentPort {
  readonly on: (event: "message", listener: (event: { readonly data: ToEngine }) => void) => void;
  readonly postMessage: (message: FromEngine) => void;
}

const core = createEngineCore({
  sha256: (bytes) => oneShotHash("sha256", bytes),
  inflateRaw: (bytes, maxOutput) => {
    try {
      return new Uint8Array(inflateRawSync(bytes, { maxOutputLength: maxOutput }));
    } catch {
      return undefined;
    }
  },
  automergeFile: (changes) => {
    const [document] = Automerge.applyChanges(Automerge.init(), [...changes]);
    const file = Automerge.save(document);
    Automerge.free(document);
    return file;
  },
  automergeChanges: (file) => {
    const document = Automerge.load(file);
    const changes = Automerge.getAllChanges(document);
    Automerge.free(document);
    return changes;
  },
  memory: () => process.memoryUsage.rss(),
});

const { parentPort } = process as { readonly parentPort?: ParentPort };
if (parentPort !== undefined) {
  parentPort.on("message", ({ data }) => {
    parentPort.postMessage({ type: "answer", id: data.id, answer: core.handle(data.request) });
  });
  parentPort.postMessage({ type: "ready" });
} else {
  process.on("message", (message: ToEngine) => {
    process.send?.({ type: "answer", id: message.id, answer: core.handle(message.request) } satisfies FromEngine);
  });
  process.send?.({ type: "ready" } satisfies FromEngine);
  process.once("disconnect", () => process.exit(0));
}
