import { Plugin, PluginKey } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";
import { Decoration, DecorationSet } from "prosemirror-view";
import type { Attachments } from "./attachments.ts";
import { isCode } from "./commands.ts";
import { CLOSE_UNDO } from "./replica-binding.ts";
import { embedToNode } from "./schema.ts";

type Action =
  | { readonly type: "begin"; readonly id: object; readonly pos: number; readonly dom: HTMLElement }
  | { readonly type: "end"; readonly id: object };

const KEY = new PluginKey<DecorationSet>("attach-files");

const uploadDom = (name: string): { readonly dom: HTMLElement; readonly show: (share: number) => void } => {
  const dom = document.createElement("span");
  dom.className = "attaching";
  dom.setAttribute("role", "status");
  const label = document.createElement("span");
  label.textContent = `Adding ${name}`;
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Adding ${name}`);
  dom.append(label, bar);
  return {
    dom,
    show: (share) => {
      bar.value = share;
    },
  };
};

/** Takes files into the note, one after the other; each stands where it was dropped, however the text moved meanwhile. */
export const attachFiles = async (
  view: EditorView,
  attachments: Attachments,
  files: readonly File[],
  at: number,
): Promise<void> => {
  const uploads = files.map((file) => ({ file, id: {}, ...uploadDom(file.name || "picture") }));
  const begin = view.state.tr;
  begin.setMeta(
    KEY,
    uploads.map(({ id, dom }): Action => ({ type: "begin", id, pos: at, dom })),
  );
  view.dispatch(begin);
  for (const { file, id, show } of uploads) {
    const embed = await attachments.add(file, show);
    if (view.isDestroyed) return;
    const [placed] = KEY.getState(view.state)?.find(undefined, undefined, (spec) => spec["id"] === id) ?? [];
    const tr = view.state.tr.setMeta(KEY, [{ type: "end", id } satisfies Action]);
    if (embed !== undefined && placed !== undefined)
      tr.insert(placed.from, embedToNode({ type: embed.type, parents: [], attrs: embed.attrs, isEmbed: true })).setMeta(
        CLOSE_UNDO,
        true,
      );
    view.dispatch(tr);
  }
};

/** Nearest place for an embed: inside a block of text that is no code. */
export const placeForFiles = (view: EditorView, pos: number): number | undefined => {
  const $pos = view.state.doc.resolve(Math.min(pos, view.state.doc.content.size));
  if ($pos.parent.isTextblock) return isCode($pos.parent) ? undefined : $pos.pos;
  const inside = $pos.nodeAfter ?? $pos.nodeBefore;
  if (inside === null || isCode(inside)) return undefined;
  return $pos.nodeAfter === null ? $pos.pos - 1 : $pos.pos + 1;
};

/** Dropping and pasting files; shows each one's progress where it will stand. */
export const fileDrops = (attachments: Attachments): Plugin =>
  new Plugin<DecorationSet>({
    key: KEY,
    state: {
      init: () => DecorationSet.empty,
      apply: (tr, set) => {
        let next = set.map(tr.mapping, tr.doc);
        for (const action of (tr.getMeta(KEY) as readonly Action[] | undefined) ?? [])
          if (action.type === "begin")
            next = next.add(tr.doc, [Decoration.widget(action.pos, action.dom, { id: action.id, side: 1 })]);
          else next = next.remove(next.find(undefined, undefined, (spec) => spec["id"] === action.id));
        return next;
      },
    },
    props: {
      decorations: (state) => KEY.getState(state),
      handleDrop: (view, event, _slice, moved) => {
        const files = [...(event.dataTransfer?.files ?? [])];
        if (moved || files.length === 0 || !view.editable) return false;
        const found = view.posAtCoords({ left: event.clientX, top: event.clientY });
        const at = placeForFiles(view, found?.pos ?? view.state.doc.content.size);
        event.preventDefault();
        if (at !== undefined) void attachFiles(view, attachments, files, at);
        return true;
      },
      handlePaste: (view, event) => {
        const data = event.clipboardData;
        const files = [...(data?.files ?? [])];
        // Word processors add a picture of the text they copy; the text is what is meant.
        const hasText = (data?.getData("text/plain") ?? "") !== "";
        if (files.length === 0 || hasText || !view.editable) return false;
        const at = placeForFiles(view, view.state.selection.to);
        if (at !== undefined) void attachFiles(view, attachments, files, at);
        return true;
      },
    },
  });
