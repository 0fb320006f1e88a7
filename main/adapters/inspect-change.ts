import { inflateRawSync } from "node:zlib";
import type { ChangeInspector } from "../../app/repositories/change-inspector.ts";
import { inspectChange } from "../../protocol/automerge-format/inspect.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";

/** Raw DEFLATE (RFC 1951) with a bound on its output. */
export const inflateRaw: FormatDependencies["inflateRaw"] = (bytes, maxOutput) => {
  try {
    return inflateRawSync(bytes, { maxOutputLength: maxOutput });
  } catch {
    return undefined;
  }
};

/** Reads the facts of an Automerge change after its work was found to be bounded. */
export const createChangeInspector = (crypto: CryptoProvider): ChangeInspector => {
  const dependencies: FormatDependencies = { sha256: (bytes) => crypto.hash("SHA256", bytes), inflateRaw };
  return (change) => inspectChange(change, dependencies);
};
