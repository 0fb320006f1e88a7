import { createHash } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";

/** What the Automerge format needs from its host, from Node's own modules. */
export const automergeDependencies: FormatDependencies = {
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
  inflateRaw: (bytes, maxOutput) => {
    try {
      return new Uint8Array(inflateRawSync(bytes, { maxOutputLength: maxOutput }));
    } catch {
      return undefined;
    }
  },
};
