import type { Api } from "../../../app/contract/create-api.ts";
import type { MovedNote } from "../../../app/contract/note-places.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { Documents } from "./documents.svelte.ts";
import type { Notebooks } from "./notebooks.svelte.ts";
import type { Toasts } from "./toasts.svelte.ts";

/** Notes on their way from one repository to another. */
export interface Moves {
  /** Gives the note a repository of its own; answers it, or why it could not be. */
  readonly share: (document: string) => Promise<MovedNote | Problem>;
  readonly moveTo: (document: string, notebook: string) => Promise<Problem | null>;
  /** Takes a note back to where it was; `document` is the original. */
  readonly takeBack: (document: string) => Promise<void>;
}

interface Context {
  readonly api: Api;
  readonly toasts: Toasts;
  readonly notebooks: Notebooks;
  readonly documents: Documents;
}

export const createMoves = ({ api, toasts, notebooks, documents }: Context): Moves => {
  const takeBack = async (document: string) => {
    const back = await api.call("documents.moveBack", { document });
    if (!back.ok) {
      toasts.fail(problemOf(back.error));
      return;
    }
    await notebooks.reload();
    await documents.reveal(back.value.notebook, back.value.document);
  };

  const follow = async (from: string, moved: MovedNote, heading: string, message: string) => {
    await notebooks.reload();
    await documents.reveal(moved.notebook, moved.document);
    toasts.show({
      tone: "success",
      heading,
      message,
      action: { label: "Undo", run: () => void takeBack(from) },
    });
  };

  return {
    share: async (document) => {
      const title = documents.find(document)?.title ?? "";
      const shared = await api.call("documents.share", { document });
      if (!shared.ok) return problemOf(shared.error);
      await follow(document, shared.value, "The note has keys of its own now", title === "" ? "Untitled" : title);
      return shared.value;
    },
    moveTo: async (document, notebook) => {
      const title = documents.find(document)?.title ?? "";
      const moved = await api.call("documents.moveTo", { document, notebook });
      if (!moved.ok) return problemOf(moved.error);
      const target = notebooks.find(notebook)?.title ?? "";
      await follow(document, moved.value, `Moved to “${target}”`, title === "" ? "Untitled" : title);
      return null;
    },
    takeBack,
  };
};
