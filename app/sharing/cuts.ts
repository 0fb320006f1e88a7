import type { Cuts } from "../../protocol/acl/acl-op.ts";
import { readRecordHeader } from "../../protocol/entry/record.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Store } from "../ports/store.ts";
import type { Repository } from "../repositories/repository.ts";

/**
 * Where the sessions of devices (in hex) end: behind everything this device has seen of them, or behind the last entry up to
 * `discardAfter`, Unix milliseconds. The clock of the entries is their author's, so that is a convenience, not a proof.
 */
export const cutsOf = (
  store: Store,
  repository: Repository,
  devices: ReadonlySet<string>,
  discardAfter: number | undefined,
): Cuts => {
  const last = new Map<string, readonly [Uint8Array, number]>();
  for (const { device, session, seq, header } of store.entries.inners(repository.n)) {
    if (!devices.has(bytesToHex(device))) continue;
    const key = bytesToHex(session);
    const read = discardAfter === undefined ? undefined : readRecordHeader(header);
    if (discardAfter !== undefined && read?.ok === true && read.value.header.ts * 1000 > discardAfter) continue;
    if (seq > (last.get(key)?.[1] ?? -1)) last.set(key, [session, seq]);
  }
  return [...last.values()];
};
