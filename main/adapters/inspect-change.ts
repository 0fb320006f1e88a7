import { inflateRawSync } from "node:zlib";
import type { ChangeInspector } from "../../app/repositories/change-inspector.ts";
import { changeMeta } from "../../protocol/automerge-format/decode.ts";
import { preflight } from "../../protocol/automerge-format/preflight.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { hexToBytes } from "../../protocol/kernel/bytes.ts";
import { ok } from "../../protocol/kernel/result.ts";

/** Raw DEFLATE (RFC 1951) with a bound on its output. */
export const inflateRaw: FormatDependencies["inflateRaw"] = (bytes, maxOutput) => {
  try {
    return inflateRawSync(bytes, { maxOutputLength: maxOutput });
  } catch {
    return undefined;
  }
};

const bytesOf = (hex: string): Uint8Array => hexToBytes(hex) as Uint8Array;

/** Reads the facts of an Automerge change after its work was found to be bounded. */
export const createChangeInspector = (crypto: CryptoProvider): ChangeInspector => {
  const dependencies: FormatDependencies = { sha256: (bytes) => crypto.hash("SHA256", bytes), inflateRaw };
  return (change) => {
    const bounded = preflight(change, dependencies);
    if (!bounded.ok) return bounded;
    const meta = changeMeta(change, dependencies);
    if (!meta.ok) return meta;
    const { hash, actor, seq, startOp, maxOp, dependencies: hashes } = meta.value;
    return ok({ hash: bytesOf(hash), actor: bytesOf(actor), seq, startOp, maxOp, dependencies: hashes.map(bytesOf) });
  };
};
