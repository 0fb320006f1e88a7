import { TextSelection } from "prosemirror-state";
import { linkToMark, markToLink } from "../../../../app/repositories/note-schema.ts";
import { linkAt } from "./commands.ts";
import type { NoteView } from "./note-view.ts";
import { CLOSE_UNDO } from "./replica-binding.ts";
import { noteSchema, toMark } from "./schema.ts";

/** A link being made or edited: where it is, and where on the screen. */
export interface LinkDraft {
  readonly from: number;
  readonly to: number;
  readonly href: string;
  readonly title: string;
  /** False for a new link. */
  readonly exists: boolean;
  readonly box: DOMRect;
}

export const draftLink = (view: NoteView): LinkDraft | null => {
  const { selection } = view.state();
  const link = linkAt(view.state(), selection.from);
  if (link !== undefined) {
    const { href, title } = markToLink(link.value);
    return { from: link.from, to: link.to, href, title, exists: true, box: view.boxAt(link.from) };
  }
  const { from, to } = selection;
  return { from, to, href: "", title: "", exists: false, box: view.boxAt(from) };
};

/** "example.org" means the web, "a@b.org" mail. */
export const completeAddress = (text: string): string => {
  const address = text.trim();
  if (address === "" || /^(?:https?:|mailto:|p2pc:)/i.test(address)) return address;
  if (/^[^\s@/]+@[^\s@/]+\.[^\s@/]+$/.test(address)) return `mailto:${address}`;
  return /^[a-z][a-z0-9+.-]*:/i.test(address) && !/^[^:]+:\d+(?:\/|$)/.test(address) ? "" : `https://${address}`;
};

export const applyLink = (view: NoteView, draft: LinkDraft, address: string): void => {
  const href = completeAddress(address);
  if (href === "") return;
  const mark = toMark("link", linkToMark({ href, title: draft.title }));
  view.run((state, dispatch) => {
    const tr = state.tr.setMeta(CLOSE_UNDO, true);
    const to = Math.min(draft.to, state.doc.content.size);
    if (draft.from === draft.to) tr.replaceWith(draft.from, to, noteSchema.text(href, [mark]));
    else tr.removeMark(draft.from, to, noteSchema.marks.link).addMark(draft.from, to, mark);
    const end = tr.mapping.map(to);
    dispatch?.(tr.setSelection(TextSelection.near(tr.doc.resolve(end))).removeStoredMark(noteSchema.marks.link));
    return true;
  });
};

export const removeLink = (view: NoteView, draft: LinkDraft): void => {
  view.run((state, dispatch) => {
    dispatch?.(state.tr.removeMark(draft.from, Math.min(draft.to, state.doc.content.size), noteSchema.marks.link));
    return true;
  });
};
