import type { ContractError } from "../../../app/contract/errors.ts";
import type { Handlers } from "../../../app/contract/handlers.ts";
import type { InstalledIdentity } from "../../../app/contract/types.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { ok } from "../../../protocol/kernel/result.ts";

/** The list of an install's identities; all of them show the rest of one world. */
export const fakeIdentities = (
  world: { identities: readonly InstalledIdentity[] },
  nextId: () => string,
): Pick<Handlers, Extract<keyof Handlers, `identities.${string}`>> => {
  const watchers = new Set<(message: Result<readonly InstalledIdentity[], ContractError>) => void>();
  const set = (identities: readonly InstalledIdentity[]) => {
    world.identities = identities;
    for (const watcher of watchers) watcher(ok(identities));
    return ok(identities);
  };
  return {
    "identities.list": async () => ok(world.identities),
    "identities.watch": (_input, tell) => {
      watchers.add(tell);
      tell(ok(world.identities));
      return () => watchers.delete(tell);
    },
    "identities.add": async () => {
      const added = { id: nextId(), name: "", colour: "blue", state: "absent", problem: "", requests: 0 } as const;
      set([...world.identities, added]);
      return ok(added);
    },
    "identities.update": async ({ id, name, colour }) =>
      set(
        world.identities.map((one) =>
          one.id === id ? { ...one, name: name ?? one.name, colour: colour ?? one.colour } : one,
        ),
      ),
    "identities.remove": async ({ id }) => set(world.identities.filter((one) => one.id !== id)),
  };
};
