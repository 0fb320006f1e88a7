import type { BrowserWindow } from "electron";
import { expect, test, vi } from "vitest";
import type { ContractError } from "../../app/contract/errors.ts";
import type { ContractHost } from "../../app/contract/handlers.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";

vi.mock("electron", () => ({ BrowserWindow: {}, powerMonitor: { getSystemIdleTime: () => 0 } }));
const { closeViewers } = await import("../../main/shell/pdf-viewer.ts");
const { keepProfilesLocked } = await import("../../main/shell/profile-lock.ts");

const ADA = "0000000000000000";
const WORK = "1111111111111111";
type Tell = (message: Result<unknown, ContractError>) => void;

/** An install of Ada and Work, of which those in `locked` are locked. */
const world = () => {
  const locked = new Set<string>();
  const events = new Map<string | undefined, Tell>();
  let watch: Tell | undefined;
  const contract: ContractHost = {
    invoke: async (_name, _input, identity) => ok({ state: locked.has(identity ?? ADA) ? "locked" : "unlocked" }),
    subscribe: (name, _input, emit, identity) => {
      if (name === "identities.watch") watch = emit;
      else events.set(identity, emit);
      return () => events.delete(identity);
    },
  };
  const forgotten: string[] = [];
  keepProfilesLocked(contract, (why) => forgotten.push(why));
  const list = (...ids: readonly string[]) => watch?.(ok(ids.map((id) => ({ id }))));
  const changed = async (id: string): Promise<void> => {
    events.get(id)?.(ok({ type: "identityChanged" }));
    await new Promise(setImmediate);
  };
  return { locked, forgotten, list, changed };
};

test("what the windows hold is forgotten after each lock of any identity and after a removal, and not otherwise", async () => {
  const { locked, forgotten, list, changed } = world();
  list(ADA, WORK);
  await changed(ADA);
  await changed(WORK);
  expect(forgotten).toEqual([]);
  locked.add(WORK);
  await changed(WORK);
  expect(forgotten).toEqual(["locked"]);
  await changed(ADA);
  expect(forgotten).toEqual(["locked"]);
  list(ADA, WORK);
  expect(forgotten).toEqual(["locked"]);
  list(ADA);
  expect(forgotten).toEqual(["locked", "removed"]);
  list();
  expect(forgotten).toEqual(["locked", "removed", "removed"]);
});

test("every viewer of the window is destroyed, whatever its page wants", () => {
  const viewers = [{ destroy: vi.fn() }, { destroy: vi.fn() }];
  closeViewers({ getChildWindows: () => viewers } as unknown as BrowserWindow);
  for (const { destroy } of viewers) expect(destroy).toHaveBeenCalledOnce();
});
