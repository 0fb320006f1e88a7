import type { Api } from "../../../app/contract/create-api.ts";
import type { InviteCreated, PendingInvite } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";
import type { Toasts } from "./toasts.svelte.ts";

export interface InviteTerms {
  readonly mode: "ask" | "auto";
  readonly role: "reader" | "writer";
  readonly maxUses: number;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface Sharing {
  readonly invites: () => readonly PendingInvite[];
  /** People who ask to join and wait for an answer. */
  readonly requests: () => readonly PendingInvite[];
  /** How many of them ask for this notebook. */
  readonly waiting: (notebook: string) => number;
  readonly reload: () => Promise<void>;
  readonly create: (notebook: string, terms: InviteTerms) => Promise<InviteCreated | Problem>;
  /** The id of the started join, to be found in `invites`. */
  readonly join: (link: string) => Promise<{ readonly id: string; readonly label: string } | Problem>;
  readonly approve: (id: string) => Promise<void>;
  readonly decline: (id: string) => Promise<void>;
  readonly copy: (text: string, what: string) => Promise<void>;
}

interface Context {
  readonly api: Api;
  readonly hub: EventHub;
  readonly toasts: Toasts;
  /** Whether the window shows the requests of this notebook already. */
  readonly isReviewing: (notebook: string | null) => boolean;
  readonly onRequest: (invite: PendingInvite) => void;
  readonly onJoined: (notebook: string) => void;
}

export const createSharing = ({ api, hub, toasts, isReviewing, onRequest, onJoined }: Context): Sharing => {
  let invites = $state.raw<readonly PendingInvite[]>([]);
  let known: ReadonlyMap<string, PendingInvite["state"]> | null = null;
  /** Toasts of requests that nobody has answered yet. */
  const asking = new Map<string, number>();

  const announce = (invite: PendingInvite) => {
    const question = asking.get(invite.id);
    if (question !== undefined && invite.state !== "requested") {
      toasts.dismiss(question);
      asking.delete(invite.id);
    }
    if (invite.direction === "incoming" && invite.state === "requested" && !isReviewing(invite.notebook))
      asking.set(
        invite.id,
        toasts.show({
          tone: "neutral",
          heading: `${invite.name ?? "Somebody"} wants to join`,
          message: `“${invite.label}” · compare the check string before you let them in.`,
          action: { label: "Review", run: () => onRequest(invite) },
        }),
      );
    if (invite.direction === "incoming" && invite.state === "joined")
      toasts.show({ tone: "success", heading: `${invite.name ?? "Somebody"} joined`, message: `“${invite.label}”` });
    if (invite.direction === "outgoing" && invite.state === "joined" && invite.notebook !== null) {
      const { notebook } = invite;
      toasts.show({
        tone: "success",
        heading: `You joined “${invite.label}”`,
        message: "Its notes arrive as fast as the connection allows.",
        action: { label: "Open", run: () => onJoined(notebook) },
      });
    }
  };
  const reload = createRefresh(async () => {
    const answer = await api.call("invites.pending");
    if (!answer.ok) {
      toasts.fail(problemOf(answer.error));
      return;
    }
    invites = answer.value;
    const before = known;
    known = new Map(invites.map((invite) => [invite.id, invite.state]));
    for (const invite of invites)
      if (before === null ? invite.state === "requested" : before.get(invite.id) !== invite.state) announce(invite);
  });
  hub.on("invitesChanged", () => void reload());

  const answerWith = async (operation: "invites.approve" | "invites.decline", id: string) => {
    const answered = await api.call(operation, { id });
    if (!answered.ok) toasts.fail(problemOf(answered.error));
    await reload();
  };

  const requests = () => invites.filter(({ direction, state }) => direction === "incoming" && state === "requested");

  return {
    invites: () => invites,
    requests,
    reload,
    waiting: (notebook) => requests().filter((invite) => invite.notebook === notebook).length,
    create: async (notebook, terms) => {
      const created = await api.call("invites.create", { notebook, ...terms });
      return created.ok ? created.value : problemOf(created.error);
    },
    join: async (link) => {
      const started = await api.call("invites.join", { link: link.trim() });
      if (!started.ok) return problemOf(started.error);
      await reload();
      return started.value;
    },
    approve: (id) => answerWith("invites.approve", id),
    decline: (id) => answerWith("invites.decline", id),
    copy: async (text, what) => {
      const copied = await api.call("shell.copyText", { text });
      if (copied.ok) toasts.show({ tone: "success", heading: `${what} copied`, message: "" });
      else toasts.fail(problemOf(copied.error));
    },
  };
};
