import type { Contact } from "../../../app/contract/people.ts";
import type {
  Activity,
  ActivityType,
  DocumentSummary,
  HistorySession,
  Invite,
  Member,
  Notebook,
  NotebookCopies,
  NotebookCopy,
  NoteDiff,
  Proxy,
} from "../../../app/contract/types.ts";
import type { World } from "./fake-transport.ts";
import { IDENTITY, createWorld, hex } from "./fake-transport.ts";

/** Sunday, 22 November 2026, 10:42 local time: every picture and every test shows the same relative times. */
export const NOW = new Date(2026, 10, 22, 10, 42).getTime();
const MINUTE = 60_000;
const DAY = 86_400_000;

const notebook = (seed: number, title: string, more: Partial<Notebook> = {}): Notebook => ({
  id: hex(seed, 16),
  kind: "notebook",
  note: null,
  title,
  role: "owner",
  membership: "active",
  documentCount: 0,
  memberCount: 1,
  updatedAt: NOW,
  ...more,
});
export const FIELD_NOTES = notebook(1, "Field notes", { documentCount: 9, memberCount: 4 });
export const READING = notebook(2, "Reading", { documentCount: 41 });
export const HOUSE = notebook(3, "House rebuilding", { documentCount: 17, memberCount: 2, role: "writer" });

const note = (
  seed: number,
  title: string,
  excerpt: string,
  age: number,
  more: Partial<DocumentSummary> = {},
): DocumentSummary => ({
  id: `${FIELD_NOTES.id}${hex(seed, 16)}`,
  notebook: FIELD_NOTES.id,
  title,
  folder: "",
  tags: [],
  excerpt,
  createdAt: NOW - age - DAY,
  updatedAt: NOW - age,
  deleted: false,
  ...more,
});

export const NOTES: readonly DocumentSummary[] = [
  note(
    10,
    "Transect 4, north bank",
    "Reed bunting ×3, one singing from the alder at 06:40. Water a hand higher than last week.",
    30_000,
    { folder: "Surveys/2026", tags: ["birds", "river"] },
  ),
  note(
    11,
    "Who counts what on Saturday",
    "Ben takes the ponds, Chiara the hedge rows, I do the north bank again. Bring the spare batteries.",
    18 * MINUTE,
  ),
  note(
    12,
    "Equipment list",
    "Two telescopes, tripod with the new head, tape recorder, 4 × AA, first-aid kit.",
    5 * 60 * MINUTE,
    { tags: ["packing"] },
  ),
  note(
    13,
    "Water levels since August",
    "Gauge at the bridge, read at 07:00. August 41, 39, 39, 44; September 47, 52.",
    1.1 * DAY,
    { folder: "Surveys", tags: ["river"] },
  ),
  note(
    14,
    "Ideas for the exhibition",
    "A wall of sound: every visitor presses a bird and hears the recording from that very tree.",
    3 * DAY,
    { folder: "Exhibition" },
  ),
  note(
    15,
    "Letter to the district council",
    "Dear Ms Okafor, as agreed on the telephone we enclose the counts of the past three seasons.",
    5 * DAY,
    { folder: "Letters", tags: ["draft"] },
  ),
  note(16, "Transect 3, meadow", "Nothing but pigeons. Mown on Tuesday, which explains it.", 19 * DAY, {
    folder: "Surveys/2026",
    tags: ["birds"],
  }),
  note(17, "", "A note that never got a title, about the otter we may or may not have seen at dusk.", 40 * DAY),
  note(
    18,
    "Results of the 2025 season",
    "214 species, 12 of them new for the area. Tables and maps below.",
    320 * DAY,
    { folder: "Surveys/2025", tags: ["birds", "report"] },
  ),
  note(19, "Old packing list", "Superseded.", 30 * DAY, { deleted: true }),
];

const member = (seed: number, name: string, more: Partial<Member> = {}): Member => ({
  id: hex(seed, 32),
  name,
  role: "writer",
  standing: "known",
  self: false,
  online: false,
  seenAt: null,
  ...more,
});
export const MEMBERS: readonly Member[] = [
  { id: IDENTITY.id, name: IDENTITY.name, role: "owner", standing: null, self: true, online: true, seenAt: null },
  member(31, "Ben Haddad", { online: true, standing: "verified" }),
  member(32, "Chiara Rossi", { online: true, role: "admin" }),
  member(33, "Dai Evans", { role: "reader", seenAt: NOW - 2 * DAY }),
];

const contact = (seed: number, name: string, more: Partial<Contact> = {}): Contact => ({
  id: hex(seed, 32),
  name,
  called: name,
  standing: "known",
  namesake: null,
  verifiedAt: null,
  digits: "48291 30475 66120 98317 25504 71938",
  firstSeen: NOW - 40 * DAY,
  notebooks: [{ id: FIELD_NOTES.id, title: FIELD_NOTES.title, role: "writer" }],
  devices: [{ id: hex(seed + 200, 32), online: false, seenAt: NOW - 2 * DAY }],
  hasCard: false,
  ...more,
});
export const CONTACTS: readonly Contact[] = [
  contact(31, "Ben Haddad", {
    standing: "verified",
    verifiedAt: NOW - 30 * DAY,
    devices: [{ id: hex(231, 32), online: true, seenAt: NOW }],
  }),
  contact(32, "Chiara Rossi"),
  contact(33, "Dai Evans", { standing: "blocked" }),
  contact(34, "Ben Haddad", {
    standing: "namesake",
    namesake: { id: hex(31, 32), name: "Ben Haddad", verified: true },
    notebooks: [],
    devices: [],
    hasCard: true,
    firstSeen: NOW - DAY,
  }),
];

const invite = (seed: number, more: Partial<Invite>): Invite => ({
  id: hex(seed, 32),
  notebook: FIELD_NOTES.id,
  mode: "ask",
  role: "writer",
  state: "open",
  link: `p2pc:j/${hex(seed, 40)}`,
  createdBy: IDENTITY.name,
  createdAt: NOW - DAY,
  expiresAt: NOW + 6 * DAY,
  uses: 2,
  maxUses: 16,
  ...more,
});
export const LINKS: readonly Invite[] = [
  invite(71, {}),
  invite(72, { mode: "auto", role: "reader", link: null, createdBy: "Chiara Rossi", uses: 0, maxUses: 1 }),
  invite(73, { state: "usedUp", link: null, uses: 1, maxUses: 1, mode: "auto" }),
  invite(74, { state: "revoked", link: null, uses: 0 }),
];

const personOf = ({ id, name }: Member) => ({ id, name });
const act = (
  seed: number,
  age: number,
  actor: Member | undefined,
  type: ActivityType,
  more: Partial<Activity> = {},
): Activity => ({
  id: hex(seed, 32),
  at: NOW - age,
  type,
  actor: personOf(actor ?? member(30, "Somebody")),
  device: hex(seed, 32),
  members: [],
  role: null,
  document: null,
  count: 1,
  effect: "valid",
  ...more,
});
const [ADA, BEN, CHIARA, DAI] = MEMBERS;
const noteOf = (note: DocumentSummary | undefined) => ({ id: note?.id ?? "", title: note?.title ?? "" });
export const ACTIVITY: readonly Activity[] = [
  act(81, 3 * MINUTE, BEN, "edited", { document: noteOf(NOTES[0]), count: 42 }),
  act(82, 20 * MINUTE, ADA, "edited", { document: noteOf(NOTES[1]), count: 1 }),
  act(83, 50 * MINUTE, ADA, "roleSet", { members: DAI ? [personOf(DAI)] : [], role: "reader" }),
  act(84, 55 * MINUTE, BEN, "removed", { members: DAI ? [personOf(DAI)] : [], effect: "unauthorised" }),
  act(85, DAY, CHIARA, "invited", { role: "reader" }),
  act(86, 2 * DAY, ADA, "removed", { members: [{ id: hex(38, 32), name: "Emil Novak" }] }),
  act(87, 3 * DAY, ADA, "created"),
];

const copy = (seed: number, more: Partial<NotebookCopy> = {}): NotebookCopy => ({
  device: hex(seed, 32),
  self: false,
  online: false,
  seenAt: null,
  completeAt: null,
  behind: null,
  ...more,
});
const DEVICES: readonly (readonly NotebookCopy[])[] = [
  [copy(91, { self: true, online: true, seenAt: NOW, completeAt: NOW, behind: 0 })],
  [
    copy(92, { online: true, seenAt: NOW, completeAt: NOW, behind: 0 }),
    copy(93, { seenAt: NOW - 9 * DAY, completeAt: NOW - 9 * DAY, behind: 214 }),
  ],
  [copy(94, { online: true, seenAt: NOW, completeAt: NOW - MINUTE, behind: 3 })],
  [copy(95)],
];
export const COPIES: NotebookCopies = {
  members: MEMBERS.map(({ id, name, role, self }, at) => ({ id, name, role, self, devices: DEVICES[at] ?? [] })),
  former: [{ id: hex(38, 32), name: "Emil Novak", how: "removed", at: NOW - 2 * DAY }],
  pending: 0,
  undelivered: 2,
  safe: { on: 1, of: 2 },
  storage: { snapshots: 412_000, history: 2_830_000, items: 5_120_000, files: 18_400_000, allFiles: 44_000_000 },
};

/** A node in the middle of a working day. */
export const sampleWorld = (given: Partial<World> = {}): World =>
  createWorld({
    notebooks: [FIELD_NOTES, READING, HOUSE],
    documents: NOTES,
    contacts: CONTACTS,
    links: LINKS,
    activity: { [FIELD_NOTES.id]: ACTIVITY },
    copies: { [FIELD_NOTES.id]: COPIES },
    members: { [FIELD_NOTES.id]: MEMBERS, [HOUSE.id]: MEMBERS.slice(0, 2) },
    summary: {
      connectedPeers: [
        { id: hex(41, 32), name: "Ben Haddad" },
        { id: hex(42, 32), name: "Chiara Rossi" },
      ],
      visiblePeers: 3,
      connectedProxies: 0,
      safe: { on: 0, of: 0 },
      undelivered: 2,
      pending: 0,
      paused: false,
    },
    status: {
      listening: ["192.168.1.12:4040", "[fe80::5c1f:2aff:fe3b:91d0]:4040"],
      peers: [
        {
          id: hex(41, 32),
          name: "Ben Haddad",
          address: "192.168.1.20:4040",
          state: "connected",
          found: "mdns",
          notebooks: [FIELD_NOTES.id, HOUSE.id],
          reason: "",
          stage: "current",
          remedy: "",
        },
        {
          id: hex(42, 32),
          name: "Chiara Rossi",
          address: "192.168.1.31:52110",
          state: "connected",
          found: "incoming",
          notebooks: [FIELD_NOTES.id],
          reason: "",
          stage: "syncing",
          remedy: "",
        },
        {
          id: hex(43, 32),
          name: "Dai Evans",
          address: "10.0.8.4:4040",
          state: "waiting",
          found: "remembered",
          notebooks: [FIELD_NOTES.id],
          reason: "Nobody answers at that address. Next try in 4 minutes.",
          stage: "discovered",
          remedy: "Check Wi-Fi or the cable.",
        },
        {
          id: hex(44, 32),
          name: null,
          address: "192.168.1.77:4040",
          state: "handshaking",
          found: "mdns",
          notebooks: [],
          reason: "",
          stage: "handshaken",
          remedy: "",
        },
      ],
      proxies: [],
      notebooks: [
        {
          id: FIELD_NOTES.id,
          title: "Field notes",
          entries: 4812,
          pending: 0,
          undelivered: 2,
          safe: { on: 0, of: 0 },
          connectedPeers: 2,
          documents: [],
        },
        {
          id: HOUSE.id,
          title: "House rebuilding",
          entries: 921,
          pending: 3,
          undelivered: 0,
          safe: { on: 0, of: 0 },
          connectedPeers: 1,
          documents: [],
        },
        {
          id: READING.id,
          title: "Reading",
          entries: 388,
          pending: 0,
          undelivered: 388,
          safe: { on: 0, of: 0 },
          connectedPeers: 0,
          documents: [],
        },
      ],
    },
    following: [FIELD_NOTES, HOUSE, READING].map(({ id, title }, n) => ({
      id,
      title,
      paused: id === READING.id,
      priority: "normal",
      proxies: [{ id: hex(61, 32), address: "198.51.100.7:4040", used: true, holdsAll: n === 0 }],
      connectedPeers: 2 - n,
      heardAt: n === 2 ? null : NOW - 1_000 * n,
      entries: [4812, 921, 388][n] ?? 0,
      documents: 12,
    })),
    settings: { "window.lastNotebook": FIELD_NOTES.id, "window.lastDocument": NOTES[0]?.id ?? "" },
    ...given,
  });

const session = (
  position: number,
  age: number,
  minutes: number,
  people: readonly (readonly [name: string, added: number, removed: number, device?: number])[],
  name?: string,
): HistorySession => ({
  position,
  from: NOW - age - minutes * MINUTE,
  to: NOW - age,
  before: position === 40 ? [] : [hex(position + 1, 32)],
  heads: [hex(position, 32)],
  people: people.map(([person, added, removed, device]) => ({
    member: hex(person.length, 32),
    name: person,
    self: person === "Ada Lovelace",
    device: hex(device ?? person.length, 32),
    changes: added,
    added,
    removed,
  })),
  versions: name === undefined ? [] : [{ heads: [hex(position, 32)], name, at: NOW - age, by: "Ben Haddad" }],
});

/** What several people did to one note in three days. */
export const HISTORY: readonly HistorySession[] = [
  session(640, 2 * MINUTE, 14, [
    ["Ada Lovelace", 182, 12],
    ["Ben Haddad", 40, 3],
  ]),
  session(410, 96 * MINUTE, 4, [["Ben Haddad", 0, 0]], "Sent to the district council"),
  session(400, 3 * 60 * MINUTE, 28, [["Chiara Rossi", 1204, 88]]),
  session(180, DAY, 7, [
    ["Ada Lovelace", 311, 20],
    ["Ada Lovelace", 14, 0, 77],
  ]),
  session(40, 2 * DAY, 0, [["Ada Lovelace", 96, 0]]),
];

const text = (value: string) => ({ type: "text", value }) as const;
const block = (type: string, attrs: Readonly<Record<string, number>> = {}) =>
  ({ type: "block", value: { type, parents: [], attrs, isEmbed: false } }) as const;

export const DIFF: NoteDiff = {
  title: { from: "Transect 4", to: "Transect 4, north bank" },
  added: 96,
  removed: 21,
  parts: [
    { type: "same", span: block("heading", { level: 2 }) },
    { type: "same", span: text("Morning") },
    { type: "restyled", before: block("paragraph"), after: block("unordered-list-item") },
    { type: "same", span: text("Reed bunting ") },
    { type: "removed", span: text("×2, far away") },
    { type: "added", span: text("×3, one singing from the alder") },
    { type: "same", span: text(" at 06:40.") },
    { type: "added", span: block("unordered-list-item") },
    { type: "added", span: text("Water a hand higher than last week.") },
    ...["One", "Two", "Three", "Four", "Five", "Six", "Seven"].flatMap((word) => [
      { type: "same", span: block("paragraph") } as const,
      { type: "same", span: text(`${word}: nothing to report.`) } as const,
    ]),
    { type: "removed", span: block("paragraph") },
    { type: "removed", span: text("Bring the ladder.") },
    { type: "same", span: block("paragraph") },
    { type: "same", span: text("Next time from the ") },
    {
      type: "restyled",
      before: text("south"),
      after: { type: "text", value: "south", marks: { strong: true } },
    },
    { type: "same", span: text(" end.") },
  ],
};

/** Always-on nodes in every state worth looking at. */
export const PROXIES: readonly Proxy[] = [
  {
    id: hex(71, 32),
    address: "notes.example.org:4040",
    kind: "own",
    state: "synced",
    reason: "",
    lastContact: NOW,
    waiting: 0,
    used: 41_300_000,
    quota: 1_000_000_000,
  },
  {
    id: hex(72, 32),
    address: "192.168.1.5:4040",
    kind: "own",
    state: "waiting",
    reason: "Nobody answers at that address.",
    lastContact: NOW - 26 * 3_600_000,
    waiting: 3,
    used: 39_900_000,
    quota: 50_000_000,
  },
  {
    id: hex(73, 32),
    address: "198.51.100.20:4040",
    kind: "guest",
    state: "full",
    reason: "Your space there is used up. The rest waits, and goes elsewhere meanwhile.",
    lastContact: NOW,
    waiting: 1,
    used: 9_990_000,
    quota: 10_000_000,
  },
];
