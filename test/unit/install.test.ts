import { expect, test } from "vitest";
import type { ContractError } from "../../app/contract/errors.ts";
import { contractError } from "../../app/contract/errors.ts";
import type { ContractHost } from "../../app/contract/handlers.ts";
import type { ListedIdentity } from "../../app/identities/identity-list.ts";
import { FIRST_IDENTITY } from "../../app/identities/identity-list.ts";
import { createInstall } from "../../app/install.ts";
import type { InstallHandlers } from "../../app/node.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { DurationMs } from "../../protocol/kernel/time.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const listed = (id: string, name: string): ListedIdentity => ({ id, name, colour: "teal" });
const ADA = listed(FIRST_IDENTITY, "Ada");
const WORK = listed("1111111111111111", "Work");
const TWIN = listed("2222222222222222", "Work");

/** An install whose identities answer with their own id; those in `broken` cannot be opened, the start of those in `throwing` is a bug. */
const world = (found: readonly ListedIdentity[], broken: readonly string[] = [], throwing: readonly string[] = []) => {
  const logged: string[] = [];
  const unerasable: string[] = [];
  const saved: (readonly ListedIdentity[])[] = [];
  const erased: string[] = [];
  const stopped: string[] = [];
  const quiet = new Map<string, () => DurationMs>();
  let handlers: InstallHandlers | undefined;
  const hostOf = (id: string): ContractHost => ({
    invoke: async (name): Promise<Result<unknown, ContractError>> => {
      if (name === "vault.status") return ok({ state: "unlocked", protection: "file" });
      if (name === "invites.pending") return ok([]);
      if (name === "identity.show") return ok({ name: `self ${id.slice(0, 2)}` });
      return ok(id);
    },
    subscribe: (_name, _input, emit) => {
      emit(ok(id));
      return () => undefined;
    },
  });
  const install = createInstall({
    folders: {
      found,
      save: (identities) => saved.push(identities),
      erase: async (id) => {
        if (unerasable.includes(id)) throw new Error("a file is held by another program");
        erased.push(id);
      },
    },
    start: async (id, given, quietTime) => {
      handlers = given;
      quiet.set(id, quietTime);
      if (throwing.includes(id)) throw new Error("the start is broken");
      if (broken.includes(id)) return err(contractError("CorruptDatabase"));
      return ok({
        contract: hostOf(id),
        listening: [id],
        wake: () => undefined,
        readAttachment: async () => err(contractError("AttachmentNotFound")),
        stop: async () => {
          stopped.push(id);
        },
      });
    },
    random: createSeededRandom(7),
    log: {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (event, fields) => logged.push(`${event}: ${String(fields?.["profile"])}`),
    },
  });
  const operations = (): InstallHandlers => {
    if (handlers === undefined) throw new Error("nothing was started");
    return handlers;
  };
  return { install, operations, saved, erased, stopped, quiet, logged, unerasable };
};

test("an operation goes to the identity it names, by id or by a name only one has, and to the first that opens otherwise", async () => {
  const { install } = world([ADA, WORK, TWIN], [ADA.id]);
  expect(await install.start([])).toMatchObject({ ok: true, value: { listening: [WORK.id] } });
  const { invoke } = install.contract;
  expect(await invoke("app.info", undefined)).toEqual(ok(WORK.id));
  expect(await invoke("app.info", undefined, TWIN.id)).toEqual(ok(TWIN.id));
  expect(await invoke("app.info", undefined, "Ada")).toMatchObject({ ok: false, error: { type: "CorruptDatabase" } });
  for (const unclear of ["Work", "Nobody"])
    expect(await invoke("app.info", undefined, unclear)).toMatchObject({ error: { type: "IdentityNotFound" } });
  const heard: unknown[] = [];
  install.contract.subscribe("events", undefined, (message) => heard.push(message), TWIN.id);
  expect(heard).toEqual([ok(TWIN.id)]);
});

test("it starts when any of them opens, and says why the first does not when none does", async () => {
  const none = world([ADA, WORK], [ADA.id, WORK.id]);
  expect(await none.install.start([])).toMatchObject({ error: { type: "CorruptDatabase" } });
  const chosen = world([ADA, WORK]);
  expect(await chosen.install.start(["Nobody"])).toMatchObject({ error: { type: "IdentityNotFound" } });
  expect(await chosen.install.start(["Work"])).toMatchObject({ value: { listening: [WORK.id] } });
  expect([...chosen.quiet.keys()]).toEqual([WORK.id]);
});

test("an identity whose start throws fails alone: the others run, the list answers and is told to who watches it", async () => {
  const { install, operations, logged, stopped } = world([ADA, WORK], [], [ADA.id]);
  expect(await install.start([])).toMatchObject({ ok: true, value: { listening: [WORK.id] } });
  expect(logged).toEqual([`identity not started: ${ADA.id}`]);
  const shown = [
    { id: ADA.id, state: "failed", problem: contractError("Internal").message },
    { id: WORK.id, state: "unlocked", problem: "" },
  ];
  expect(await operations()["identities.list"](undefined)).toMatchObject({ ok: true, value: shown });
  const told = await new Promise((resolve) => operations()["identities.watch"](undefined, resolve));
  expect(told).toMatchObject({ ok: true, value: shown });
  expect(await install.contract.invoke("app.info", undefined)).toEqual(ok(WORK.id));
  expect(await install.contract.invoke("app.info", undefined, ADA.id)).toMatchObject({ error: { type: "Internal" } });
  const heard = await new Promise((resolve) => install.contract.subscribe("events", undefined, resolve, ADA.id));
  expect(heard).toMatchObject({ ok: false, error: { type: "Internal" } });
  await install.stop();
  expect(stopped).toEqual([WORK.id]);
  const alone = world([ADA], [], [ADA.id]);
  expect(await alone.install.start([])).toMatchObject({ ok: false, error: { type: "Internal" } });
});

test("I32 all but the first wait a time of their own before they send; one that a person just added does not", async () => {
  const { install, operations, quiet } = world([ADA, WORK, TWIN]);
  await install.start([]);
  const waits = (id: string): number => quiet.get(id)?.() ?? -1;
  expect(waits(ADA.id)).toBe(0);
  const spread = Array.from({ length: 200 }, () => [waits(WORK.id), waits(TWIN.id)]).flat();
  expect(Math.min(...spread)).toBeGreaterThan(0);
  expect(Math.max(...spread)).toBeLessThanOrEqual(90_000);
  expect(Math.max(...spread) - Math.min(...spread)).toBeGreaterThan(60_000);
  const alone = world([ADA]);
  await alone.install.start([]);
  const added = await alone.operations()["identities.add"](undefined);
  if (!added.ok) throw new Error(added.error.type);
  expect(alone.quiet.get(added.value.id)?.()).toBe(0);
  expect(alone.quiet.get(added.value.id)?.()).toBeGreaterThan(0);
  expect(alone.saved.at(-1)?.map(({ id }) => id)).toEqual([ADA.id, added.value.id]);
  await operations()["identities.update"]({ id: TWIN.id, position: 0 });
  expect(waits(TWIN.id)).toBe(0);
});

test("a removed identity is closed before it is erased, and the last one leaves room for a new one", async () => {
  const { install, operations, erased, stopped, saved } = world([ADA, WORK]);
  await install.start([]);
  expect(await operations()["identities.remove"]({ id: ADA.id })).toMatchObject({ value: [{ id: WORK.id }] });
  expect([stopped, erased]).toEqual([[ADA.id], [ADA.id]]);
  expect(await install.contract.invoke("app.info", undefined)).toEqual(ok(WORK.id));
  expect(await operations()["identities.remove"]({ id: ADA.id })).toMatchObject({
    error: { type: "IdentityNotFound" },
  });
  await operations()["identities.remove"]({ id: WORK.id });
  expect(saved.at(-1)).toMatchObject([{ id: FIRST_IDENTITY }]);
});

test("when the last one cannot be erased the install still has an identity that answers", async () => {
  const { install, operations, unerasable } = world([WORK]);
  await install.start([]);
  unerasable.push(WORK.id);
  await expect(operations()["identities.remove"]({ id: WORK.id })).rejects.toThrow("held by another program");
  expect(await operations()["identities.list"](undefined)).toMatchObject({ ok: true, value: [{ id: FIRST_IDENTITY }] });
  expect(await install.contract.invoke("app.info", undefined)).toEqual(ok(FIRST_IDENTITY));
});
