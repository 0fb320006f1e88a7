import type { Store, TopicRow } from "../../../app/ports/store.ts";
import { ENTRY_STATE } from "../../../app/ports/store.ts";
import { changesOf } from "../../../app/repositories/change-batch.ts";
import { openEntry } from "../../../app/repositories/integrate.ts";
import { createChangeInspector } from "../../../main/adapters/inspect-change.ts";
import type { CheckedItem } from "../../../protocol/entry/item.ts";
import { openItem, readItem } from "../../../protocol/entry/item.ts";
import { deriveTopicKeys, mergeEpochs } from "../../../protocol/epoch/epoch-keys.ts";
import { bytesToHex, hexToBytes } from "../../../protocol/kernel/bytes.ts";
import { createReplica } from "../../../protocol/replica/replica.ts";
import { automergeDependencies } from "../../support/automerge-dependencies.ts";
import { native } from "../../support/data-fixtures.ts";
import type { Place, World } from "./history.ts";

/** What a world that came to rest is judged by. */
export interface Verdict {
  /** Sentences; none when everything is as it must be. */
  readonly failures: readonly string[];
  readonly compared: number;
  readonly voided: number;
  /** Pairs of a device and a word it must not be able to read. */
  readonly guarded: number;
  /** Words that the devices of members do read among what crossed the network. */
  readonly readable: number;
  /** Acknowledged words that must still be there. */
  readonly kept: number;
}

const inspect = createChangeInspector(native);
const nameOf = ({ person, computer }: Place): string => `${person.name}@${computer.host}`;

const rowOf = (store: Store, notebook: string): number | undefined =>
  store.repositories.all().find(({ rid }) => bytesToHex(rid) === notebook)?.n;

const opened = (rid: Uint8Array, topic: TopicRow, wire: Uint8Array) => {
  const item = readItem(native, wire);
  return item.ok ? openEntry({ crypto: native, inspect }, rid, topic.readKey, item.value as CheckedItem) : undefined;
};

/** The documents of a notebook as text, from what is stored as changes. */
const textsIn = (store: Store, n: number): ReadonlyMap<string, string> =>
  new Map(
    store.documents.list(n).map((row) => {
      const replica = createReplica(automergeDependencies, "00");
      replica.applyChanges(store.documents.changesAfter(row.n, 0).changes);
      const object = replica.objectAt(["text"]);
      const title = replica.objectAt(["title"]);
      return [
        bytesToHex(row.did),
        `${object === undefined ? "" : replica.text(object)}|${title === undefined ? "" : replica.text(title)}`,
      ];
    }),
  );

/** The same from nothing but the records that count; undefined where one came in a bundle. */
const replayed = (store: Store, n: number, rid: Uint8Array): ReadonlyMap<string, string> | undefined => {
  const topics = new Map(store.topics.all().map((topic) => [topic.n, topic]));
  const replicas = new Map<string, ReturnType<typeof createReplica>>();
  for (const { iid } of store.entries.inners(n)) {
    if (store.entries.doubt(iid) === "void") continue;
    const carried = store.entries.wireOf(iid);
    const topic = carried && topics.get(carried.topic);
    const entry = topic && opened(rid, topic, carried.wire);
    if (entry?.type !== "record") return undefined;
    for (const [index, batch] of entry.batches.entries()) {
      const did = bytesToHex(entry.record.header.parts[index]?.doc ?? new Uint8Array());
      const replica = replicas.get(did) ?? createReplica(automergeDependencies, "00");
      replicas.set(did, replica);
      replica.applyChanges(changesOf(batch));
    }
  }
  return new Map(
    [...replicas].map(([did, replica]) => {
      const object = replica.objectAt(["text"]);
      const title = replica.objectAt(["title"]);
      return [
        did,
        `${object === undefined ? "" : replica.text(object)}|${title === undefined ? "" : replica.text(title)}`,
      ];
    }),
  );
};

const rolesOf = (world: World, place: Place, notebook: string): string =>
  (world.accessOf(place, notebook)?.state().members ?? [])
    .map(
      ({ idRoot, role, devices }) =>
        `${bytesToHex(idRoot).slice(0, 6)}:${role}:${devices
          .map(({ devSig }) => bytesToHex(devSig).slice(0, 6))
          .toSorted()
          .join("+")}`,
    )
    .toSorted()
    .join(" ");

const show = (value: string): string => (value.length > 400 ? `${value.slice(0, 400)}…` : value);

/** One notebook: everybody who belongs to it by its owner's word holds the same. */
const compare = (world: World, notebook: string, failures: string[]): { compared: number; voided: number } => {
  const rid = hexToBytes(notebook) as Uint8Array;
  const owner = world.places.find((place) => {
    const access = world.accessOf(place, notebook);
    const member = access?.memberOfDevice(hexToBytes(place.device) ?? new Uint8Array());
    return member?.role === "owner";
  });
  if (owner === undefined) return { compared: 0, voided: 0 };
  const access = world.accessOf(owner, notebook);
  const devices = new Set(access?.members().flatMap((member) => member.devices.map(bytesToHex)));
  const facts = (place: Place) =>
    place.computer.inspect((store) => {
      const n = rowOf(store, notebook);
      if (n === undefined) return undefined;
      const topics = store.topics.all().filter((topic) => topic.repository === n);
      const pending = topics.flatMap((topic) =>
        store.entries.waiting(topic.n, ENTRY_STATE.pending).flatMap(({ oid }) => {
          const wire = store.entries.wire(oid);
          const entry = wire && opened(rid, topic, wire);
          return entry?.type === "record" && access?.isWriter(entry.record.header.devSig) === true
            ? [entry.record]
            : [];
        }),
      );
      return {
        heads: store.documents
          .list(n)
          .filter(({ heads }) => heads.length > 0)
          .map(
            ({ did, heads }) =>
              `${bytesToHex(did).slice(0, 6)}=${heads.map((head) => bytesToHex(head).slice(0, 8)).join("+")}`,
          )
          .toSorted()
          .join(" "),
        voids: store.entries
          .doubts(n)
          .filter(({ doubt }) => doubt === "void")
          .map(({ iid }) => bytesToHex(iid)),
        inners: new Set(store.entries.inners(n).map(({ iid }) => bytesToHex(iid))),
        pending: pending.length,
        drafts: store.documents.drafts(n, 1_000).length,
        foreign: store.documents.foreignDrafts(n).length,
        secrets: new Map(store.repositories.epochs(n).map(({ eid, w }) => [bytesToHex(eid), w !== null])),
        texts: textsIn(store, n),
        replay: replayed(store, n, rid),
      };
    });
  const reference = facts(owner);
  if (reference === undefined) return { compared: 0, voided: 0 };
  const roles = rolesOf(world, owner, notebook);
  const fail = (place: Place, what: string): void => {
    failures.push(`${notebook.slice(0, 6)} ${nameOf(place)} (owner ${nameOf(owner)}): ${what}`);
  };
  let compared = 0;
  for (const place of world.places) {
    if (!devices.has(place.device)) continue;
    const own = facts(place);
    if (own === undefined) {
      fail(place, "does not have the notebook");
      continue;
    }
    compared++;
    const ownRoles = rolesOf(world, place, notebook);
    if (ownRoles !== roles) fail(place, `roles ${ownRoles} | ${roles}`);
    const voids = (one: typeof own, other: typeof own): string =>
      one.voids
        .filter((iid) => other.inners.has(iid))
        .map((iid) => iid.slice(0, 8))
        .toSorted()
        .join();
    if (voids(own, reference) !== voids(reference, own))
      fail(place, `void records ${show(voids(own, reference))} | ${show(voids(reference, own))}`);
    const state = access?.state();
    for (const { body } of state?.epochs ?? [])
      if (!own.secrets.has(bytesToHex(body.eid))) fail(place, `I22 I24 has no secret of epoch ${bytesToHex(body.eid)}`);
    const writes = access?.isWriter(hexToBytes(place.device) ?? new Uint8Array()) === true;
    for (const { body } of state?.epochHeads ?? [])
      if (own.secrets.get(bytesToHex(body.eid)) === !writes)
        fail(place, `I22 I23 ${writes ? "lacks the" : "has a"} write secret of epoch ${bytesToHex(body.eid)}`);
    if (own.pending > 0) fail(place, `${own.pending} records of members wait`);
    if (own.drafts > 0) fail(place, `${own.drafts} drafts are not sealed`);
    if (own.foreign > 0) fail(place, `${own.foreign} live changes without an entry`);
    if (own.heads !== reference.heads) fail(place, `heads ${show(own.heads)} | ${show(reference.heads)}`);
    const texts = (given: ReadonlyMap<string, string>): string =>
      [...given]
        .filter(([, text]) => text !== "|")
        .map(([did, text]) => `${did.slice(0, 6)}:${text}`)
        .toSorted()
        .join(" ");
    if (texts(own.texts) !== texts(reference.texts))
      fail(place, `texts ${show(texts(own.texts))} | ${show(texts(reference.texts))}`);
    if (own.replay !== undefined && texts(own.replay) !== texts(own.texts))
      fail(place, `replay ${show(texts(own.replay))} | ${show(texts(own.texts))}`);
  }
  return { compared, voided: reference.voids.length };
};

/** What a device could open things with: read keys by the topic they belong to, "" for those whose topic it cannot name. */
type Keys = ReadonlyMap<string, readonly Uint8Array[]>;

/** Read keys of a device: of the topics it follows, and of those it could derive from what it holds. */
const keysOf = (place: Place): Keys =>
  place.computer.inspect((store) => {
    const keys = new Map<string, Uint8Array[]>();
    const add = (topic: string, key: Uint8Array): void => {
      keys.set(topic, [...(keys.get(topic) ?? []), key]);
    };
    for (const { pk, readKey } of store.topics.all()) add(bytesToHex(pk), readKey);
    for (const { n } of store.repositories.all()) {
      const secrets = store.repositories.epochs(n).map(({ eid, s, w }) => ({ eid, S: s, W: w }));
      for (const [index, one] of secrets.entries())
        for (const merged of [[one], ...secrets.slice(index + 1).map((other) => [one, other])]) {
          const { readKey, topicKey } = deriveTopicKeys(native, mergeEpochs(native, merged));
          add(topicKey === null ? "" : bytesToHex(topicKey.publicKey), readKey);
        }
    }
    return keys;
  });

/** Every item that crossed the network or lies on some disk, once. */
const allItems = (world: World): readonly CheckedItem[] => {
  const items = new Map<string, CheckedItem>();
  const add = (wire: Uint8Array): void => {
    const item = readItem(native, wire);
    if (item.ok) items.set(bytesToHex(item.value.oid), item.value as CheckedItem);
  };
  for (const wire of world.network.captured()) add(wire);
  for (const { computer } of world.places)
    computer.inspect((store) => {
      for (const topic of store.topics.all())
        for (const { oid } of store.entries.items(topic.n)) {
          const wire = store.entries.wire(oid);
          if (wire !== undefined) add(wire);
        }
    });
  return [...items.values()];
};

const WORD = /word[0-9a-z]{6}/g;

/** Words a device can read in any of the items, given the keys it has, and the kinds of items they stand in. */
const wordsReadBy = (world: World, keys: Keys, items: readonly CheckedItem[]): ReadonlyMap<string, string> => {
  const words = new Map<string, string>();
  for (const item of items)
    for (const key of [...(keys.get(bytesToHex(item.topicPk)) ?? []), ...(keys.get("") ?? [])]) {
      const plain = openItem(world.crypto, item, key);
      if (!plain.ok) continue;
      const where = `kind ${item.kind} of ${bytesToHex(item.topicPk).slice(0, 4)}`;
      for (const [word] of Buffer.from(plain.value).toString("latin1").matchAll(WORD))
        words.set(word, words.has(word) ? `${words.get(word)}, ${where}` : where);
      break;
    }
  return words;
};

export const judge = (world: World): Verdict => {
  const failures: string[] = [...world.complaints];
  const notebooks = new Set(
    world.places.flatMap(({ computer }) =>
      computer.inspect((store) => store.repositories.all().map(({ rid }) => bytesToHex(rid))),
    ),
  );
  let compared = 0;
  let voided = 0;
  for (const notebook of notebooks) {
    const done = compare(world, notebook, failures);
    compared += done.compared;
    voided += done.voided;
  }

  // What any device could ever have been given afterwards, by anybody's word.
  const allOps = new Map<string, Map<string, { readonly device: string[]; readonly who: string[] }>>();
  for (const notebook of notebooks) {
    const ops = new Map<string, { readonly device: string[]; readonly who: string[] }>();
    for (const place of world.places)
      for (const { id, body } of world.accessOf(place, notebook)?.ops() ?? []) {
        const device =
          "identityOps" in body
            ? body.identityOps.flatMap((op) => (op.body.type === "addDevice" ? [bytesToHex(op.body.devSig)] : []))
            : [];
        const who =
          body.type === "set" || body.type === "join"
            ? [bytesToHex(body.who)]
            : body.type === "transfer"
              ? [bytesToHex(body.newOwner)]
              : [];
        ops.set(bytesToHex(id), { device, who });
      }
    allOps.set(notebook, ops);
  }
  const items = allItems(world);
  const byPlace = new Map(world.places.map((place) => [place, wordsReadBy(world, keysOf(place), items)]));
  let guarded = 0;
  let readable = 0;
  for (const made of world.written) {
    const notebook = made.document.slice(0, 32);
    const ops = [...(allOps.get(notebook) ?? [])];
    const later = ops.filter(([id]) => !made.ops.has(id)).map(([, op]) => op);
    const known = ops.filter(([id]) => made.ops.has(id)).map(([, op]) => op);
    for (const place of world.places) {
      const reads = byPlace.get(place)?.get(made.word);
      if (made.readers.has(place.device)) {
        if (reads !== undefined) readable++;
        continue;
      }
      // Whom somebody admits later, or without the writer's knowledge, reads what was written before, by design.
      // A new device of a reader has the keys from the others before the notebook lists it.
      const isListed = known.some(({ device }) => device.includes(place.device));
      const isOfReader = world.places.some((other) => other.person === place.person && made.readers.has(other.device));
      if (!isListed && isOfReader) continue;
      if (
        place === made.place ||
        place.device === "" ||
        later.some(({ device, who }) => device.includes(place.device) || who.includes(place.person.id))
      )
        continue;
      guarded++;
      if (reads !== undefined)
        failures.push(
          `${notebook.slice(0, 6)} ${nameOf(place)} reads ${made.word} by ${nameOf(made.place)} at ${made.at} in ${reads}`,
        );
    }
  }

  // Nothing acknowledged is lost, unless its author was put out, went, or lost the disk.
  let kept = 0;
  const texts = new Map<string, ReadonlyMap<string, string>>();
  const textsOf = (place: Place, notebook: string): ReadonlyMap<string, string> => {
    const key = `${place.computer.host}/${notebook}`;
    const found =
      texts.get(key) ??
      place.computer.inspect((store) => {
        const n = rowOf(store, notebook);
        return n === undefined ? new Map<string, string>() : textsIn(store, n);
      });
    texts.set(key, found);
    return found;
  };
  for (const made of world.written) {
    const notebook = made.document.slice(0, 32);
    const { place } = made;
    if (!made.isAcknowledged || place.wasPutBack || !world.growing.has(made.document)) continue;
    const access = world.accessOf(place, notebook);
    const isTouched = (access?.ops() ?? []).some(
      ({ body, idRoot }) =>
        (body.type === "remove" && body.who.some((who) => bytesToHex(who) === place.person.id)) ||
        (body.type === "leave" && bytesToHex(idRoot) === place.person.id) ||
        body.type === "freeze" ||
        (body.type === "set" && body.role < 2 && bytesToHex(body.who) === place.person.id) ||
        ("identityOps" in body &&
          body.identityOps.some((op) => op.body.type === "revokeDevice" && bytesToHex(op.idRoot) === place.person.id)),
    );
    if (isTouched || access?.isWriter(hexToBytes(place.device) ?? new Uint8Array()) !== true) continue;
    kept++;
    const isThere = textsOf(place, notebook).get(made.document.slice(32))?.includes(made.word) === true;
    if (!isThere)
      failures.push(
        `${notebook.slice(0, 6)} ${made.word} of ${nameOf(place)} is lost in ${made.document.slice(32, 38)}`,
      );
  }
  return { failures, compared, voided, guarded, readable, kept };
};
