import type { Api } from "../../../app/contract/create-api.ts";
import type { ContractError } from "../../../app/contract/errors.ts";
import type { Invite, Member, Role } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

/** Who belongs to one notebook and by which links others can come. */
export interface Members {
  /** Owner first, then by role and name. */
  readonly list: () => readonly Member[];
  readonly links: () => readonly Invite[];
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  readonly reload: () => Promise<void>;
  readonly setRole: (member: string, role: Exclude<Role, "owner">) => Promise<Problem | null>;
  /** `discardAfter`, Unix milliseconds: also what they wrote later than that. */
  readonly remove: (member: string, discardAfter: number | null) => Promise<Problem | null>;
  readonly transfer: (member: string) => Promise<Problem | null>;
  readonly leave: () => Promise<Problem | null>;
  readonly changeKeys: () => Promise<Problem | null>;
  readonly revoke: (invite: string) => Promise<Problem | null>;
  readonly stop: () => void;
}

type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ContractError };

const RANK: Readonly<Record<Role, number>> = { owner: 0, admin: 1, writer: 2, reader: 3 };
const collator = new Intl.Collator();

export const createMembers = ({
  api,
  hub,
  notebook,
}: {
  readonly api: Api;
  readonly hub: EventHub;
  readonly notebook: string;
}): Members => {
  let list = $state.raw<readonly Member[]>([]);
  let links = $state.raw<readonly Invite[]>([]);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);

  const take = (members: readonly Member[]): void => {
    list = members.toSorted((a, b) => RANK[a.role] - RANK[b.role] || collator.compare(a.name, b.name));
  };
  const reload = createRefresh(async () => {
    const [members, invites] = await Promise.all([
      api.call("notebooks.members", { notebook }),
      api.call("invites.list", { notebook }),
    ]);
    if (members.ok) take(members.value);
    if (invites.ok) links = invites.value;
    problem = !members.ok ? problemOf(members.error) : !invites.ok ? problemOf(invites.error) : null;
    loaded = true;
  });
  const stops = [
    hub.on("membersChanged", (event) => {
      if (event.notebook === notebook) void reload();
    }),
    hub.on("invitesChanged", () => void reload()),
    hub.on("peersChanged", () => void reload()),
  ];
  void reload();

  const act = async <T>(
    call: Promise<Answer<T>>,
    then: (value: T) => void = () => undefined,
  ): Promise<Problem | null> => {
    const answer = await call;
    if (!answer.ok) return problemOf(answer.error);
    then(answer.value);
    void reload();
    return null;
  };

  return {
    list: () => list,
    links: () => links,
    loaded: () => loaded,
    problem: () => problem,
    reload,
    setRole: (member, role) => act(api.call("members.setRole", { notebook, member, role }), take),
    remove: (member, discardAfter) =>
      act(
        api.call("members.remove", {
          notebook,
          members: [member],
          ...(discardAfter === null ? {} : { discardAfter }),
        }),
        take,
      ),
    transfer: (member) => act(api.call("notebooks.transfer", { notebook, member })),
    leave: () => act(api.call("notebooks.leave", { notebook })),
    changeKeys: () => act(api.call("notebooks.changeKeys", { notebook })),
    revoke: (id) =>
      act(api.call("invites.revoke", { notebook, id }), (revoked) => {
        links = links.map((link) => (link.id === id ? revoked : link));
      }),
    stop: () => {
      for (const stop of stops) stop();
    },
  };
};
