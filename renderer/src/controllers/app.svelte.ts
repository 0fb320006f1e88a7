import { createContext } from "svelte";
import type { Api } from "../../../app/contract/create-api.ts";
import { problemOf, problemOfReport } from "../errors.ts";
import { accessNews } from "./access-news.ts";
import type { Contacts } from "./contacts.svelte.ts";
import { createContacts } from "./contacts.svelte.ts";
import type { Documents } from "./documents.svelte.ts";
import { createDocuments } from "./documents.svelte.ts";
import type { EventHub } from "./event-hub.ts";
import { createEventHub } from "./event-hub.ts";
import type { Identities } from "./identities.svelte.ts";
import type { History } from "./history.svelte.ts";
import { createHistory } from "./history.svelte.ts";
import type { Moves } from "./moves.svelte.ts";
import { createMoves } from "./moves.svelte.ts";
import type { Navigation } from "./navigation.svelte.ts";
import { createNavigation } from "./navigation.svelte.ts";
import type { Network } from "./network.svelte.ts";
import { createNetwork } from "./network.svelte.ts";
import type { Notebooks } from "./notebooks.svelte.ts";
import { createNotebooks } from "./notebooks.svelte.ts";
import type { NoticeList } from "./notices.svelte.ts";
import { createNoticeList } from "./notices.svelte.ts";
import type { Portability } from "./portability.svelte.ts";
import { createPortability } from "./portability.svelte.ts";
import type { Search } from "./search.svelte.ts";
import { createSearch } from "./search.svelte.ts";
import type { Session } from "./session.svelte.ts";
import { createSession } from "./session.svelte.ts";
import type { Settings } from "./settings.svelte.ts";
import { createSettings } from "./settings.svelte.ts";
import type { Sharing } from "./sharing.svelte.ts";
import { createSharing } from "./sharing.svelte.ts";
import type { Toasts } from "./toasts.svelte.ts";
import { createToasts } from "./toasts.svelte.ts";

/** Everything the window knows of one identity, one controller a domain. */
export interface App {
  /** Its id on this computer. */
  readonly id: string;
  /** Everyone in this install. */
  readonly identities: Identities;
  /** Whether it is the one on the screen. */
  readonly isShown: () => boolean;
  readonly api: Api;
  readonly hub: EventHub;
  readonly session: Session;
  readonly toasts: Toasts;
  readonly settings: Settings;
  readonly navigation: Navigation;
  readonly notebooks: Notebooks;
  readonly documents: Documents;
  readonly moves: Moves;
  readonly notices: NoticeList;
  readonly history: History;
  /** The full search view's. */
  readonly search: Search;
  readonly sharing: Sharing;
  readonly contacts: Contacts;
  readonly network: Network;
  readonly portability: Portability;
  readonly start: () => Promise<void>;
  /** Loads what needs an unlocked identity. */
  readonly enter: () => Promise<void>;
  /** It came onto the screen. */
  readonly show: () => void;
  /** Opens a link of ours, as soon as the identity is unlocked. */
  readonly openLink: (link: string) => Promise<void>;
  readonly stop: () => void;
}

/** A screenful of hits with room to scroll; more is better served by more words. */
export const SEARCH_LIMIT = 100;

const DEVICE_LINK = "p2pc:d/";
const CONTACT_LINK = "p2pc:c/";
const DOCUMENT_LINK = "p2pc:doc/";
/** A document's id begins with its notebook's. */
const NOTEBOOK_DIGITS = 32;

/** `isShown`: whether this identity is the one on the screen. */
export const createApp = (api: Api, { id, isShown, identities }: Pick<App, "id" | "isShown" | "identities">): App => {
  const toasts = createToasts();
  const hub = createEventHub(api, (error) => toasts.fail(problemOf(error)));
  const session = createSession(api);
  const settings = createSettings(api, toasts.fail, isShown);
  const navigation = createNavigation();
  const notebooks = createNotebooks({
    api,
    hub,
    onProblem: toasts.fail,
    onAccessChanged: (before, after) => {
      const news = accessNews(before, after);
      const isShown = notebooks.selected()?.id === after.id && navigation.place() === "notes";
      // The banner over the notes says it better.
      if (news === null || (isShown && news.isLoss)) return;
      toasts.show({
        tone: news.isLoss ? "danger" : "success",
        heading: news.heading,
        message: after.title,
        ...(isShown
          ? {}
          : {
              action: {
                label: "Show",
                run: () => {
                  navigation.go("notes");
                  notebooks.select(after.id);
                },
              },
            }),
      });
    },
    preferred: () => settings.current().lastNotebook,
  });
  const documents = createDocuments({ api, hub, toasts, notebooks, settings });
  const moves = createMoves({ api, toasts, notebooks, documents });
  const notices = createNoticeList({ api, hub, toasts, notebooks, documents });
  const history = createHistory({ api, hub, toasts, documents });
  const search = createSearch(api, "everything", SEARCH_LIMIT);
  const sharing = createSharing({
    api,
    hub,
    toasts,
    isReviewing: (notebook) => {
      const dialog = navigation.dialog();
      const isListed = navigation.place() === "people" && navigation.person() === null;
      return isListed || (dialog?.type === "share" && dialog.notebook === notebook);
    },
    onRequest: (invite) => {
      if (invite.notebook !== null) navigation.open({ type: "share", notebook: invite.notebook });
    },
    onJoined: (notebook) => {
      navigation.close();
      navigation.go("notes");
      notebooks.select(notebook);
    },
  });
  const contacts = createContacts(api, hub);
  const network = createNetwork(api, hub);
  const portability = createPortability({
    api,
    hub,
    onProblem: toasts.fail,
    onFinished: (notebook, job) => {
      const dialog = navigation.dialog();
      if (dialog?.type === "import") return;
      const show = { label: "Show", run: () => navigation.open({ type: "import", notebook }) };
      if (job.state === "failed") toasts.fail(job.problem);
      else if (job.state === "finished")
        toasts.show({
          tone: job.report.failed.length > 0 ? "danger" : "success",
          heading: job.report.state === "done" ? "Import finished" : "Import cancelled",
          message: `${job.report.imported} of ${job.report.files} files imported`,
          action: show,
        });
    },
  });
  let waitingLink: string | null = null;
  const openLink = async (link: string) => {
    if (session.phase() !== "ready") {
      waitingLink = link;
      return;
    }
    if (link.startsWith(DEVICE_LINK)) {
      navigation.open({ type: "settings", deviceLink: link });
      return;
    }
    if (link.startsWith(CONTACT_LINK)) {
      navigation.open({ type: "addContact", link });
      return;
    }
    if (!link.startsWith(DOCUMENT_LINK)) {
      navigation.open({ type: "join", link });
      return;
    }
    const document = link.slice(DOCUMENT_LINK.length);
    const notebook = document.slice(0, NOTEBOOK_DIGITS);
    if (notebooks.find(notebook) === null) {
      toasts.show({ tone: "danger", heading: "That note is not here", message: "It is in no notebook of yours." });
      return;
    }
    navigation.go("notes");
    await documents.reveal(notebook, document);
  };
  const showOpenedLink = async () => {
    if (session.phase() !== "ready" || !isShown()) return;
    const taken = waitingLink === null ? await api.call("shell.takeLink") : { ok: true as const, value: waitingLink };
    if (!taken.ok || taken.value === null) return;
    const link = taken.value;
    const isChosen = link === waitingLink;
    waitingLink = null;
    if (isChosen || identities.list().filter(({ state }) => state !== "absent").length < 2) {
      await openLink(link);
      return;
    }
    if (!link.startsWith(DOCUMENT_LINK)) {
      navigation.open({ type: "chooseIdentity", link });
      return;
    }
    const notebook = link.slice(DOCUMENT_LINK.length, DOCUMENT_LINK.length + NOTEBOOK_DIGITS);
    const holder = identities.opened().find(({ app }) => app.notebooks.find(notebook) !== null);
    identities.giveLink(holder?.id ?? id, link);
  };
  hub.on("linkOpened", () => void showOpenedLink());
  hub.on("identityChanged", () => void session.reloadIdentity());
  hub.on("devicesChanged", () => void session.reloadPairing());
  hub.on("problem", ({ error }) => toasts.fail(problemOfReport(error)));
  hub.on("searchChanged", () => {
    if (navigation.place() === "search") search.refresh();
  });

  return {
    id,
    identities,
    isShown,
    show: () => {
      settings.apply();
      if (session.phase() === "ready") void showOpenedLink();
    },
    openLink,
    api,
    hub,
    session,
    toasts,
    settings,
    navigation,
    notebooks,
    documents,
    moves,
    notices,
    history,
    search,
    sharing,
    contacts,
    network,
    portability,
    start: async () => {
      const shown = await session.start();
      if (shown === null) return;
      settings.take(shown.settings);
      if (shown.identity !== null) notebooks.take(shown.notebooks);
      session.show();
    },
    enter: async () => {
      if (!notebooks.loaded()) {
        await settings.load();
        await notebooks.reload();
      }
      await Promise.all([sharing.reload(), contacts.reload(), notices.reload(), network.reload(), showOpenedLink()]);
    },
    stop: () => {
      hub.stop();
      documents.stop();
      history.stop();
    },
  };
};

export const [getApp, setApp] = createContext<App>();
