import { cutUtf8 } from "../../protocol/codec/utf8.ts";
import { base64urlToBytes, bytesToBase64url } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, StoreError } from "../ports/store.ts";
import type { ContactRecord } from "./contact-record.ts";
import { decodeContactRecord, encodeContactRecord, LONGEST_NAME } from "./contact-record.ts";

/** What this identity keeps of other people, the same on all its devices: decisions travel in the home repository. */
export interface ContactBook {
  /** By fingerprint in hex. */
  readonly all: () => ReadonlyMap<string, ContactRecord>;
  /** A person was met; nothing is decided about them. */
  readonly meet: (met: ReadonlyMap<string, string>) => boolean;
  /** Changes what is kept of a person. */
  readonly decide: (
    id: string,
    change: Partial<Pick<ContactRecord, "name" | "called" | "state" | "verifiedAt" | "card">>,
  ) => Result<null, StoreError>;
  /** What the home repository, which says `known`, does not have yet. */
  readonly news: (known: Readonly<Record<string, string>>) => ReadonlyMap<string, string>;
  /** Takes what other own devices wrote; answers whether that was news. */
  readonly take: (entries: Readonly<Record<string, string>>) => boolean;
}

const PREFIX = "contact/";

export const createContactBook = (deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}): ContactBook => {
  const { store, clock, log } = deps;
  const records = new Map<string, ContactRecord>();
  /** People of whom something is kept that cannot be read: it may say that they are blocked, so meeting them changes nothing. */
  const unreadable = new Set<string>();
  for (const { key, value } of store.meta.list(PREFIX)) {
    const record = decodeContactRecord(value);
    const id = key.slice(PREFIX.length);
    if (record !== undefined) records.set(id, record);
    else {
      unreadable.add(id);
      log.warn("contact not readable");
    }
  }

  const put = (changed: ReadonlyMap<string, ContactRecord>): Result<null, StoreError> => {
    const written = store.transaction(() => {
      for (const [id, record] of changed) store.meta.set(PREFIX + id, encodeContactRecord(record));
    });
    if (!written.ok) return written;
    for (const [id, record] of changed) {
      records.set(id, record);
      unreadable.delete(id);
    }
    return ok(null);
  };

  const stranger = (): ContactRecord => ({
    name: "",
    called: "",
    state: "known",
    verifiedAt: null,
    firstSeen: clock.unix(),
    changedAt: 0,
    card: null,
  });

  return {
    all: () => records,
    meet: (met) => {
      const changed = new Map<string, ContactRecord>();
      for (const [id, called] of met) {
        if (unreadable.has(id)) continue;
        const known = records.get(id);
        const name = called === "" ? (known?.called ?? "") : cutName(called);
        if (known === undefined || known.called !== name) changed.set(id, { ...(known ?? stranger()), called: name });
      }
      if (changed.size === 0) return false;
      const written = put(changed);
      if (!written.ok) log.warn("contacts not kept", { fault: written.error.type });
      return true;
    },
    decide: (id, change) => {
      const known = records.get(id) ?? stranger();
      // Two decisions within a millisecond, or a clock that was set back: the later one still counts.
      const changedAt = Math.max(clock.unix(), known.changedAt + 1);
      const record = { ...known, ...change, changedAt };
      return put(new Map([[id, { ...record, name: cutName(record.name), called: cutName(record.called) }]]));
    },
    news: (known) => {
      const news = new Map<string, string>();
      for (const [id, record] of records) {
        if (record.changedAt === 0) continue;
        const encoded = bytesToBase64url(encodeContactRecord(record));
        const listed = known[PREFIX + id];
        if (listed === encoded) continue;
        if ((read(listed)?.changedAt ?? 0) < record.changedAt) news.set(PREFIX + id, encoded);
      }
      return news;
    },
    take: (entries) => {
      const changed = new Map<string, ContactRecord>();
      for (const [key, value] of Object.entries(entries)) {
        if (!key.startsWith(PREFIX)) continue;
        const id = key.slice(PREFIX.length);
        const record = read(value);
        const own = records.get(id);
        if (record === undefined || record.changedAt <= (own?.changedAt ?? 0)) continue;
        changed.set(id, { ...record, firstSeen: Math.min(record.firstSeen, own?.firstSeen ?? record.firstSeen) });
      }
      if (changed.size === 0) return false;
      const written = put(changed);
      if (!written.ok) log.warn("contacts not kept", { fault: written.error.type });
      return written.ok;
    },
  };
};

/** Names that others gave themselves have any length. */
const cutName = (name: string): string => cutUtf8(name, LONGEST_NAME);

const read = (value: string | undefined): ContactRecord | undefined => {
  const encoded = value === undefined ? undefined : base64urlToBytes(value);
  return encoded === undefined ? undefined : decodeContactRecord(encoded);
};
