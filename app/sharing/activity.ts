import type { VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import { readRecordHeader } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Activity, ActivityType, Role } from "../contract/types.ts";
import type { CarriedRecord, Store } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";

export interface ActivityQuery {
  readonly limit: number;
  /** Unix milliseconds: only what happened before. */
  readonly before: number | undefined;
  /** Only what this member did, or what was done about them. */
  readonly member: string | undefined;
  readonly type: ActivityType | undefined;
}

/** Edits of one person in one document closer than this are one activity. */
const SITTING_MS = 10 * 60_000;
/** Records read at once. */
const PAGE = 512;
const ROLE_NAMES: readonly (Role | null)[] = [null, "reader", "writer", "admin", "owner"];

const describeOp = ({
  body,
  idRoot,
}: VerifiedAclOp): {
  readonly type: ActivityType;
  readonly about: readonly Uint8Array[];
  readonly role: Role | null;
} => {
  switch (body.type) {
    case "genesis":
      return { type: "created", about: [idRoot], role: "owner" };
    case "set":
      return { type: "roleSet", about: [body.who], role: ROLE_NAMES[body.role] ?? null };
    case "remove":
      return { type: "removed", about: body.who, role: null };
    case "devices":
      return { type: "devicesChanged", about: [], role: null };
    case "epoch":
      return { type: "keysChanged", about: [], role: null };
    case "reseal":
      return { type: "keysShared", about: [], role: null };
    case "invite":
      return { type: "invited", about: [], role: ROLE_NAMES[body.role] ?? null };
    case "uninvite":
      return { type: "inviteRevoked", about: [], role: null };
    case "join":
      return { type: "joined", about: [body.who], role: null };
    case "leave":
      return { type: "left", about: [idRoot], role: null };
    case "policy":
      return { type: "settingsChanged", about: [], role: null };
    case "transfer":
      return { type: "transferred", about: [body.newOwner], role: "owner" };
    case "freeze":
      return { type: "sessionFrozen", about: [], role: null };
    default:
      return exhaustive(body);
  }
};

/** Who did what in a notebook, newest first: read from the signed ops and records themselves, so nobody can leave something out. */
export const listActivity = (store: Store, repository: Repository, query: ActivityQuery): readonly Activity[] => {
  const names = memberNames(store, repository);
  const before = query.before ?? Number.MAX_SAFE_INTEGER;
  const person = (idRoot: Uint8Array) => {
    const id = bytesToHex(idRoot);
    return { id, name: names[id] ?? `Member ${id.slice(0, 8)}` };
  };
  const matches = ({ at, type, actor, members }: Activity): boolean =>
    at < before &&
    (query.type === undefined || query.type === type) &&
    (query.member === undefined || actor.id === query.member || members.some(({ id }) => id === query.member));

  const state = repository.access.state();
  const ops = repository.access.ops().map((op): Activity => {
    const { type, about, role } = describeOp(op);
    return {
      id: bytesToHex(op.id),
      at: op.ts * 1000,
      type,
      actor: person(op.idRoot),
      device: bytesToHex(op.devSig),
      members: about.map(person),
      role,
      document: null,
      count: 1,
      effect: state.verdictOf(op.id) ?? "pending",
    };
  });

  const owners = new Map<string, Uint8Array>();
  const ownerOf = (device: Uint8Array): Uint8Array => {
    const key = bytesToHex(device);
    const known = owners.get(key) ?? repository.access.identityOfDevice(device) ?? device;
    owners.set(key, known);
    return known;
  };
  const editsIn = (row: CarriedRecord): readonly Activity[] => {
    const read = readRecordHeader(row.header);
    if (!read.ok) return [];
    const claimed = read.value.header.ts * 1000;
    const at = Math.min(claimed, row.arrivedAt ?? claimed);
    return read.value.header.parts
      .filter(({ doc }) => !bytesEqual(doc, NOTEBOOK_DOCUMENT))
      .map(({ doc, n }) => ({
        id: bytesToHex(row.iid),
        at,
        type: "edited",
        actor: person(ownerOf(row.device)),
        device: bytesToHex(row.device),
        members: [],
        role: null,
        document: {
          id: documentId(repository, doc),
          title: store.documents.byId(repository.n, doc)?.title ?? "",
        },
        count: n,
        effect: store.entries.doubt(row.iid) ?? "valid",
      }));
  };

  const edits: Activity[] = [];
  let from: CarriedRecord | undefined;
  while (edits.length <= query.limit && (query.type === undefined || query.type === "edited")) {
    const page = store.entries.carried(repository.n, from, PAGE);
    for (const row of page) {
      from = row;
      for (const edit of editsIn(row)) {
        if (!matches(edit)) continue;
        const last = edits.findLast(({ document }) => document?.id === edit.document?.id);
        const continues =
          last !== undefined &&
          last.device === edit.device &&
          last.effect === edit.effect &&
          Math.abs(last.at - edit.at) < SITTING_MS;
        if (continues) edits[edits.indexOf(last)] = { ...last, count: last.count + edit.count };
        else edits.push(edit);
      }
    }
    if (page.length < PAGE) break;
  }
  // Times are whole seconds: within one, what came last stands first.
  return [...edits, ...ops.filter(matches).toReversed()].toSorted((a, b) => b.at - a.at).slice(0, query.limit);
};
