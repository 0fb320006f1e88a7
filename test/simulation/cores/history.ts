import { createAccess, type Access } from "../../../app/repositories/access.ts";
import type { Api } from "../../../app/contract/create-api.ts";
import type { CallName, InputOf, OutputOf } from "../../../app/contract/contract.ts";
import type { OpenDocumentEvent } from "../../../app/contract/types.ts";
import type { ContractError } from "../../../app/contract/errors.ts";
import type { CryptoProvider } from "../../../protocol/crypto/provider.ts";
import { bytesToHex, hexToBytes } from "../../../protocol/kernel/bytes.ts";
import { pick, randomBelow, shuffle } from "../../../protocol/kernel/random.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { createReplica, loadReplica } from "../../../protocol/replica/replica.ts";
import type { Replica } from "../../../protocol/replica/types.ts";
import { automergeDependencies } from "../../support/automerge-dependencies.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { type Computer, createComputer } from "./computer.ts";
import { createNetwork, type Network } from "./network.ts";
import { createRememberingCrypto } from "./remembering-crypto.ts";
import { createVirtualTime, type VirtualTime } from "./virtual-time.ts";

export interface Person {
  readonly name: string;
  phrase: string;
  id: string;
}

/** A computer with what the world knows of it. */
export interface Place {
  readonly computer: Computer;
  readonly person: Person;
  /** Device key in hex, once the identity is there. */
  device: string;
  /** Its database was put back from an older copy: what only it had is gone. */
  wasPutBack: boolean;
}

/** A word somebody wrote. */
export interface Written {
  readonly word: string;
  readonly place: Place;
  readonly document: string;
  /** Milliseconds since the world began. */
  readonly at: number;
  /** Devices that, by all the writer knew, could read. */
  readonly readers: ReadonlySet<string>;
  /** Ops of the notebook that the writer knew. */
  readonly ops: ReadonlySet<string>;
  /** The node said that it is stored. */
  isAcknowledged: boolean;
}

export interface World {
  readonly seed: string;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly crypto: CryptoProvider;
  readonly places: readonly Place[];
  readonly written: readonly Written[];
  /** Notes nothing is ever deleted from. */
  readonly growing: ReadonlySet<string>;
  readonly complaints: readonly string[];
  /** What was done, line by line: the same for the same seed. */
  readonly trace: readonly string[];
  readonly accessOf: (place: Place, notebook: string) => Access | undefined;
  readonly dispose: () => void;
}

export interface Shape {
  readonly computers: number;
  readonly steps: number;
}

/** Mostly ten computers; one in eight worlds is larger, one in forty has fifty. */
export const shapeOf = (seed: number): Shape => {
  if (seed % 40 === 39) return { computers: 50, steps: 120 };
  if (seed % 8 === 7) return { computers: 16 + (seed % 9), steps: 110 };
  return { computers: 10 + (seed % 3), steps: 90 };
};

/** An editor window: a replica fed by its node. */
interface Editor {
  readonly place: Place;
  readonly document: string;
  readonly api: Api;
  replica: Replica | undefined;
  lease: string;
  isWritable: boolean;
  close: () => void;
}

const MAX_SKEW_MS = 3 * 3_600_000;
/** The world is left alone in steps of this until nothing changes. */
const REST_MS = 60_000;
const QUIET_RESTS = 4;
const MAX_RESTS = 60;

export const play = async (
  seed: number,
  shape = shapeOf(seed),
  tell: (line: string) => void = () => undefined,
): Promise<World> => {
  const random = createSeededRandom(`cores/${seed}`);
  const time = createVirtualTime();
  const crypto = createRememberingCrypto();
  const network = createNetwork(time, random.fork("network"));
  const trace: string[] = [];
  const complaints: string[] = [];
  const note = (line: string): void => {
    const full = `${time.now().toFixed(0).padStart(8)} ${line}`;
    trace.push(full);
    tell(full);
  };
  const complain = (what: string): void => {
    complaints.push(what);
    note(`COMPLAINT ${what}`);
  };

  const places: Place[] = [];
  const notebooks: string[] = [];
  const links: { readonly notebook: string; readonly link: string }[] = [];
  const written: Written[] = [];
  const growing = new Set<string>();
  const editors: Editor[] = [];
  const readyToReturn = new Set<Place>();
  let words = 0;

  const addPlace = (person: Person): Place => {
    const host = places.length;
    const skewMs =
      randomBelow(random, 4) === 0 ? randomBelow(random, 2 * MAX_SKEW_MS) - MAX_SKEW_MS : randomBelow(random, 4_000);
    const computer = createComputer(host, `${person.name}@${host}`, {
      time,
      network,
      random: random.fork(`computer/${host}`),
      crypto,
      skewMs,
      complain,
    });
    const place: Place = { computer, person, device: "", wasPutBack: false };
    places.push(place);
    return place;
  };
  const nameOf = ({ person, computer }: Place): string => `${person.name}@${computer.host}`;

  /** Calls without waiting: the world goes on meanwhile. */
  const call = <N extends CallName>(
    place: Place,
    operation: N,
    input: InputOf<N>,
    then: (value: OutputOf<N>) => void = () => undefined,
    how: "noted" | "quiet" = "noted",
  ): void => {
    if (!place.computer.isUp()) return;
    const api = place.computer.api();
    const asked = (api.call as (name: N, input: InputOf<N>) => Promise<Result<OutputOf<N>, ContractError>>)(
      operation,
      input,
    );
    void asked.then((answer) => {
      if (!place.computer.isUp() || place.computer.api() !== api) return;
      if (how === "noted") note(`${nameOf(place)} ${operation} ${answer.ok ? "ok" : answer.error.type}`);
      if (answer.ok) then(answer.value);
    });
  };
  const run = (ms: number): Promise<void> => time.runUntil(time.now() + ms);

  const accesses = new Map<string, { readonly access: Access; readonly count: number }>();
  const accessOf: World["accessOf"] = ({ computer }, notebook) =>
    computer.inspect((store) => {
      const rid = hexToBytes(notebook) as Uint8Array;
      const row = store.repositories.all().find((one) => bytesToHex(one.rid) === notebook);
      if (row === undefined) return undefined;
      const ops = store.repositories.aclOps(row.n);
      const key = `${computer.host}/${notebook}`;
      let held = accesses.get(key);
      if (held?.count !== ops.length) {
        // Rows come in the order of their generation, and after a power cut there may be fewer.
        held = { access: createAccess(crypto, rid), count: ops.length };
        for (const op of ops) held.access.add(op);
        accesses.set(key, held);
      }
      return ops.length === 0 ? undefined : held.access;
    });

  /** A new word, and who must not read it. */
  const wordOf = (place: Place, document: string): Written => {
    const access = accessOf(place, document.slice(0, 32));
    const made: Written = {
      word: `word${(words++).toString(36).padStart(6, "0")}`,
      place,
      document,
      at: time.now(),
      readers: new Set(access?.state().recipients.map(({ identifier }) => bytesToHex(identifier))),
      ops: new Set(access?.ops().map(({ id }) => bytesToHex(id))),
      isAcknowledged: false,
    };
    written.push(made);
    return made;
  };
  const textOf = ({ word }: Written): string => `<${word}>`;

  const notebooksOf = (place: Place): readonly string[] =>
    place.computer
      .inspect((store) => store.repositories.all().map(({ rid }) => bytesToHex(rid)))
      .filter((id) => notebooks.includes(id));
  const documentsOf = (place: Place, notebook: string): readonly string[] =>
    place.computer.inspect((store) => {
      const row = store.repositories.all().find(({ rid }) => bytesToHex(rid) === notebook);
      return (row === undefined ? [] : store.documents.list(row.n))
        .filter(({ type }) => type === "note")
        .map(({ did }) => notebook + bytesToHex(did))
        .toSorted();
    });
  const up = (): readonly Place[] => places.filter(({ computer }) => computer.isUp());
  const anyNotebook = (place: Place): string | undefined => pick(random, notebooksOf(place));
  const anyDocument = (place: Place): string | undefined => {
    const notebook = anyNotebook(place);
    return notebook === undefined ? undefined : pick(random, documentsOf(place, notebook));
  };
  const anyMember = (place: Place, notebook: string): string | undefined => {
    const members = accessOf(place, notebook)?.members() ?? [];
    const others = members.map(({ idRoot }) => bytesToHex(idRoot)).filter((id) => id !== place.person.id);
    return pick(random, others.toSorted());
  };

  const createNotebook = (place: Place): void =>
    call(place, "notebooks.create", { title: `Notebook ${notebooks.length}` }, ({ id }) => {
      notebooks.push(id);
      createNote(place, id);
    });
  const createNote = (place: Place, notebook: string): void => {
    const made = wordOf(place, notebook + "00".repeat(16));
    call(place, "documents.create", { notebook, title: "Note", markdown: textOf(made) }, ({ id }) => {
      if (growing.size < 3 || randomBelow(random, 2) === 0) growing.add(id);
      Object.assign(made, { document: id, isAcknowledged: true });
    });
  };
  const invite = (place: Place, notebook: string): void => {
    const mode = randomBelow(random, 4) === 0 ? "ask" : "auto";
    const role = randomBelow(random, 4) === 0 ? "reader" : "writer";
    call(place, "invites.create", { notebook, mode, role, maxUses: 1 + randomBelow(random, 4) }, ({ link }) => {
      links.push({ notebook, link });
    });
  };
  const join = (place: Place): void => {
    const offered = pick(random, links);
    if (offered === undefined) return;
    call(place, "invites.join", { link: offered.link });
  };
  const approveAll = (): void => {
    for (const place of up())
      call(
        place,
        "invites.pending",
        undefined,
        (pending) => {
          for (const { id, direction, state } of pending)
            if (direction === "incoming" && state === "requested") call(place, "invites.approve", { id });
        },
        "quiet",
      );
  };

  const edit = (place: Place): void => {
    const document = anyDocument(place);
    if (document === undefined) return;
    const made = wordOf(place, document);
    const acknowledged = (): void => {
      made.isAcknowledged = true;
    };
    const kind = randomBelow(random, 8);
    if (kind < 5) call(place, "documents.edit", { document, insert: { at: 0, text: textOf(made) } }, acknowledged);
    else if (kind === 5) call(place, "documents.edit", { document, appendMarkdown: textOf(made) }, acknowledged);
    else if (kind === 6)
      call(place, "documents.edit", { document, title: textOf(made), tags: [`t${randomBelow(random, 5)}`] });
    else if (!growing.has(document))
      call(place, "documents.edit", { document, delete: { at: 0, count: 1 + randomBelow(random, 3) } });
  };

  const openEditor = (place: Place): void => {
    const document = anyDocument(place);
    if (document === undefined || !place.computer.isUp()) return;
    const api = place.computer.api();
    const editor: Editor = {
      place,
      document,
      api,
      replica: undefined,
      lease: "",
      isWritable: false,
      close: () => undefined,
    };
    editor.close = api.subscribe("documents.open", { document }, (message) => {
      if (!message.ok) {
        editor.replica = undefined;
        return;
      }
      const event: OpenDocumentEvent = message.value;
      if (event.type === "opened") {
        const { snapshot, changes, actor, lease, writable } = event;
        const loaded =
          snapshot === null
            ? { ok: true as const, value: createReplica(automergeDependencies, actor) }
            : loadReplica(automergeDependencies, snapshot, actor);
        if (!loaded.ok) {
          complain(`${nameOf(place)} a snapshot does not load`);
          return;
        }
        loaded.value.applyChanges(changes);
        editor.replica = loaded.value;
        editor.lease = lease;
        editor.isWritable = writable;
      } else if (event.type === "changes") editor.replica?.applyChanges(event.changes);
    });
    editors.push(editor);
    note(`${nameOf(place)} opens`);
  };
  const type = (editor: Editor): void => {
    const { place, replica, lease, document } = editor;
    const isCurrent = place.computer.isUp() && place.computer.api() === editor.api;
    if (!isCurrent || replica === undefined || !editor.isWritable) {
      editors.splice(editors.indexOf(editor), 1);
      if (isCurrent) editor.close();
      return;
    }
    const made = wordOf(place, document);
    const text = replica.objectAt(["text"]);
    if (text === undefined) return;
    const change = replica.change({ time: 0 }, (transaction) => {
      transaction.splice(text, randomBelow(random, 2) === 0 ? 0 : replica.length(text), 0, textOf(made));
    });
    if (change === undefined) return;
    call(place, "documents.apply", { lease, changes: [change.bytes] }, () => {
      made.isAcknowledged = true;
    });
  };

  const pairDevice = (person: Person): void => {
    const sponsor = pick(
      random,
      up().filter((place) => place.person === person),
    );
    if (sponsor === undefined || places.filter((place) => place.person === person).length > 2) return;
    const newcomer = addPlace(person);
    note(`${nameOf(newcomer)} is a new device for ${nameOf(sponsor)}`);
    void newcomer.computer.start().then(() =>
      call(newcomer, "identity.pair", { deviceName: nameOf(newcomer) }, ({ link }) => {
        const phrase = randomBelow(random, 2) === 0 ? { phrase: person.phrase } : {};
        call(sponsor, "devices.add", { link: link ?? "", ...phrase }, ({ id }) => {
          time.after(3_000, () => {
            call(sponsor, "devices.approve", { id });
            call(newcomer, "identity.confirmPairing", undefined);
          });
        });
      }),
    );
  };
  const revokeDevice = (place: Place): void => {
    const own = places.filter((other) => other.person === place.person && other !== place && other.device !== "");
    const target = pick(random, own);
    if (target !== undefined) call(place, "devices.revoke", { device: target.device, phrase: place.person.phrase });
  };

  const crash = (place: Place): void => {
    const kind = randomBelow(random, 4) === 0 ? "power" : "process";
    place.computer.crashAfter(randomBelow(random, 40), kind);
    note(`${nameOf(place)} will crash (${kind})`);
  };
  /** Starts again, sooner or later, what is down. */
  const returnLater = (): void => {
    for (const place of places) {
      if (place.computer.isUp() || readyToReturn.has(place)) continue;
      readyToReturn.add(place);
      time.after(randomBelow(random, 40_000), () => {
        readyToReturn.delete(place);
        if (place.computer.isUp()) return;
        if (randomBelow(random, 30) === 0 && place.computer.putBack()) {
          place.wasPutBack = true;
          note(`${nameOf(place)} is put back`);
        }
        note(`${nameOf(place)} starts`);
        void place.computer.start();
      });
    }
  };
  const partition = (): void => {
    const groups = 1 + randomBelow(random, 4);
    const of = places.map(() => randomBelow(random, groups));
    network.partition((host) => of[host] ?? 0);
    network.announce();
    note(`partition ${of.join("")}`);
  };
  const learnDevices = (): void => {
    for (const place of places)
      if (place.device === "" && place.computer.isUp())
        call(place, "identity.show", undefined, (shown) => {
          place.device = shown.device;
        });
  };

  const step = (): void => {
    const all = up();
    const members = all.filter((one) => notebooksOf(one).length > 0);
    const place = pick(random, randomBelow(random, 10) === 0 ? all : members);
    if (place === undefined) return;
    const notebook = anyNotebook(place);
    const member = notebook === undefined ? undefined : anyMember(place, notebook);
    const kind = randomBelow(random, 100);
    if (kind < 24) edit(place);
    else if (kind < 30) {
      if (notebook !== undefined) createNote(place, notebook);
    } else if (kind < 36) openEditor(place);
    else if (kind < 54) {
      const editor = pick(random, editors);
      if (editor !== undefined) type(editor);
    } else if (kind < 58) {
      if (notebook !== undefined) invite(place, notebook);
    } else if (kind < 64) join(place);
    else if (kind < 67) approveAll();
    else if (kind < 72) {
      const role = (["reader", "writer", "admin", "writer"] as const)[randomBelow(random, 4)] ?? "writer";
      if (notebook !== undefined && member !== undefined) call(place, "members.setRole", { notebook, member, role });
    } else if (kind < 76) {
      if (notebook !== undefined && member !== undefined)
        call(place, "members.remove", { notebook, members: [member] });
    } else if (kind < 77) {
      if (notebook !== undefined) call(place, "notebooks.leave", { notebook });
    } else if (kind < 78) {
      if (notebook !== undefined && member !== undefined) call(place, "notebooks.transfer", { notebook, member });
    } else if (kind < 80) {
      if (notebook !== undefined) call(place, "notebooks.changeKeys", { notebook });
    } else if (kind < 82) pairDevice(place.person);
    else if (kind < 84) revokeDevice(place);
    else if (kind < 87) partition();
    else if (kind < 93) crash(place);
    else if (kind < 95) network.cutOne();
    else if (kind < 96) place.computer.keepCopy();
    else if (kind < 97) {
      note(`${nameOf(place)} stops`);
      void place.computer.stop();
    } else if (kind < 98) {
      if (notebook !== undefined) call(place, "sync.checkpoint", { notebook });
    } else if (kind < 99) {
      const document = anyDocument(place);
      if (document !== undefined && !growing.has(document)) call(place, "documents.delete", { document });
    } else if (notebook !== undefined) call(place, "notebooks.rename", { notebook, title: `Renamed ${words}` });
  };

  // Everybody starts alone; the first ones found notebooks and let others in.
  const people = Math.max(4, Math.floor(shape.computers * 0.8));
  for (let n = 0; n < shape.computers; n++) {
    const person: Person = n < people ? { name: `P${n}`, phrase: "", id: "" } : (places[n % people] as Place).person;
    if (n >= people) continue;
    const place = addPlace(person);
    await place.computer.start();
    call(place, "identity.create", { name: person.name }, ({ id, device, phrase }) => {
      person.id = id;
      person.phrase = phrase.join(" ");
      place.device = device;
    });
  }
  await run(2_000);
  for (let n = people; n < shape.computers; n++) pairDevice((places[n % people] as Place).person);
  createNotebook(places[0] as Place);
  if (randomBelow(random, 2) === 0) createNotebook(places[1] as Place);
  await run(10_000);
  for (const [index, notebook] of notebooks.entries())
    for (let n = 0; n < 2; n++) {
      const owner = places[index] as Place;
      call(owner, "invites.create", { notebook, mode: "auto", role: "writer", maxUses: 30 }, ({ link }) => {
        links.push({ notebook, link });
      });
    }
  await run(2_000);
  learnDevices();
  for (const place of shuffle(random, places)) if (randomBelow(random, 3) > 0) join(place);
  await run(20_000);

  for (let n = 0; n < shape.steps; n++) {
    step();
    returnLater();
    await run(randomBelow(random, 5) === 0 ? randomBelow(random, 8_000) : randomBelow(random, 700));
    if (n % 10 === 9) learnDevices();
  }

  // Everything heals.
  note("heals");
  for (const { computer } of places) computer.spare();
  network.partition(() => 0);
  for (const editor of editors.splice(0))
    if (editor.place.computer.isUp() && editor.place.computer.api() === editor.api) editor.close();
  await run(45_000);
  for (const place of places)
    if (!place.computer.isUp()) {
      note(`${nameOf(place)} starts`);
      await place.computer.start();
    }
  await run(5_000);
  learnDevices();
  approveAll();
  network.announce();
  for (const { computer } of places) computer.wake();
  /** What must not change any more. */
  const fingerprint = (): string =>
    places
      .map(({ computer }) =>
        computer.inspect((store) =>
          store.repositories
            .all()
            .map(
              ({ n }) =>
                `${store.repositories.counts(n).entries}.${store.repositories.aclOps(n).length}.${store.documents.drafts(n, 100).length}.${store.entries.inners(n).length}`,
            )
            .join(","),
        ),
      )
      .join("|");
  let quiet = 0;
  let last = "";
  for (let rest = 0; quiet < QUIET_RESTS; rest++) {
    if (rest === MAX_RESTS) {
      complain("the world does not come to rest");
      break;
    }
    await run(REST_MS);
    const now = fingerprint();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
    if (rest % 3 === 0) approveAll();
  }
  note(`rests after ${network.messages()} messages`);

  return {
    seed: String(seed),
    time,
    network,
    crypto,
    places,
    written,
    growing,
    complaints,
    trace,
    accessOf,
    dispose: () => {
      for (const { computer } of places) computer.dispose();
    },
  };
};
