import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { deflateRawSync } from "node:zlib";
import type { BundlePage, Packed, PackRequest, Tail, UnpackRequest } from "../../app/ports/compactor.ts";
import { createCompaction } from "../../app/repositories/compaction.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { inflateRaw } from "./inspect-change.ts";
import { createNativeProvider } from "./native-crypto.ts";
import { createCompactionSource } from "./sqlite/compaction-source.ts";
import { openReader } from "./sqlite/database.ts";

export type CompactorQuestion =
  | { readonly type: "pack"; readonly id: number; readonly request: PackRequest }
  | { readonly type: "unpack"; readonly id: number; readonly request: UnpackRequest }
  | { readonly type: "tail"; readonly id: number; readonly topic: number };

export interface CompactorAnswer {
  readonly id: number;
  readonly value: Packed | BundlePage | "refused" | Tail | undefined;
  /** Why there is no value. */
  readonly failure?: string;
}

/** The profile's database and its key, 32 bytes. */
export interface CompactorFile {
  readonly file: string;
  readonly key: Uint8Array;
}

const { file, key } = workerData as CompactorFile;

/** Entry of the compactor worker: a read-only connection, packing and unpacking. */
const compaction = createCompaction({
  crypto: createNativeProvider(createNobleProvider()),
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  inflateRaw,
  deflateRaw: (bytes) => deflateRawSync(bytes),
  source: createCompactionSource(openReader(file, key)),
});

const valueOf = (question: CompactorQuestion): CompactorAnswer["value"] => {
  switch (question.type) {
    case "pack":
      return compaction.pack(question.request);
    case "unpack":
      return compaction.unpack(question.request);
    case "tail":
      return compaction.tail(question.topic);
  }
};

const answer = (question: CompactorQuestion): CompactorAnswer => {
  const { id } = question;
  try {
    return { id, value: valueOf(question) };
  } catch (cause) {
    return { id, value: undefined, failure: cause instanceof Error ? cause.message : "failed" };
  }
};

parentPort?.on("message", (question: CompactorQuestion) => parentPort?.postMessage(answer(question)));
