import type { Node as ProseMirrorNode } from "prosemirror-model";
import type { NodeView, NodeViewConstructor } from "prosemirror-view";
import { attachmentOfAttrs } from "../../../../app/attachments/attachment-ref.ts";
import { attachedFile, attachedImage } from "./attachment-views.ts";
import type { Attachments } from "./attachments.ts";
import { setBlockAt } from "./commands.ts";
import { CLOSE_UNDO } from "./replica-binding.ts";
import { nodeToBlock, nodeToEmbed } from "./schema.ts";

const setDepth = (element: HTMLElement, node: ProseMirrorNode): void => {
  const { parents } = nodeToBlock(node);
  const quotes = parents.filter((parent) => parent === "blockquote").length;
  element.dataset["depth"] = String(parents.length - quotes);
  element.dataset["quotes"] = String(quotes);
};

/** A task with a box to tick. */
const taskView: NodeViewConstructor = (first, view, getPos): NodeView => {
  let node = first;
  const dom = document.createElement("div");
  dom.className = "block block-task-list-item";
  const box = document.createElement("button");
  box.type = "button";
  box.className = "task-box";
  box.contentEditable = "false";
  box.setAttribute("role", "checkbox");
  const contentDOM = document.createElement("div");
  contentDOM.className = "task-text";
  dom.append(box, contentDOM);

  const show = (): void => {
    const checked = nodeToBlock(node).attrs["checked"] === true;
    dom.dataset["checked"] = String(checked);
    box.setAttribute("aria-checked", String(checked));
    box.setAttribute("aria-label", checked ? "Done" : "To do");
    box.disabled = !view.editable;
    setDepth(dom, node);
  };
  box.addEventListener("mousedown", (event) => {
    event.preventDefault();
  });
  box.addEventListener("click", () => {
    const pos = getPos();
    if (pos === undefined || !view.editable) return;
    const block = nodeToBlock(node);
    const tr = view.state.tr.setMeta(CLOSE_UNDO, true);
    setBlockAt(tr, pos, { ...block, attrs: { ...block.attrs, checked: block.attrs["checked"] !== true } });
    view.dispatch(tr);
  });
  show();
  return {
    dom,
    contentDOM,
    update: (next) => {
      if (next.type !== node.type) return false;
      node = next;
      show();
      return true;
    },
    stopEvent: (event) => box.contains(event.target as Node),
    ignoreMutation: (mutation) => mutation.type !== "selection" && !contentDOM.contains(mutation.target),
  };
};

/** Pictures that came along as data are shown; others would tell a server who reads the note, so their name stands for them. */
const SHOWN_IMAGE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,/i;

const imageView: NodeViewConstructor = (node): NodeView => {
  const { attrs } = nodeToEmbed(node);
  const text = (name: string): string => (typeof attrs[name] === "string" ? attrs[name] : "");
  if (SHOWN_IMAGE.test(text("src"))) {
    const dom = document.createElement("img");
    dom.className = "embed-picture";
    dom.src = text("src");
    dom.alt = text("alt");
    dom.title = text("title");
    return { dom };
  }
  const dom = document.createElement("span");
  dom.className = "embed-image";
  dom.title = text("src");
  const label = document.createElement("span");
  label.textContent = text("alt") || text("src").split("/").at(-1) || "Image";
  dom.append(label);
  return { dom };
};

export const nodeViews = (attachments: Attachments): Record<string, NodeViewConstructor> => {
  const attached = attachedImage(attachments);
  return {
    "task-list-item": taskView,
    "embed-image": (node, ...rest) =>
      attachmentOfAttrs(nodeToEmbed(node).attrs) === undefined ? imageView(node, ...rest) : attached(node, ...rest),
    "embed-file": attachedFile(attachments),
  };
};
