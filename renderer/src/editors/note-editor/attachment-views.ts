import type { NodeView, NodeViewConstructor } from "prosemirror-view";
import type { BlockAttrs } from "../../../../app/repositories/note-schema.ts";
import type { Attachments, AttachmentStatus } from "./attachments.ts";
import { sizeLabel } from "../../components/shared/size-label.ts";
import { CLOSE_UNDO } from "./replica-binding.ts";
import { embedToNode, nodeToEmbed } from "./schema.ts";

const textAttr = (attrs: BlockAttrs, name: string): string => (typeof attrs[name] === "string" ? attrs[name] : "");
const numberAttr = (attrs: BlockAttrs, name: string): number => (typeof attrs[name] === "number" ? attrs[name] : 0);

const element = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className: string,
  text = "",
): HTMLElementTagNameMap[Tag] => {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
};

const button = (label: string, run: () => void): HTMLButtonElement => {
  const made = element("button", "attachment-button", label);
  made.type = "button";
  made.addEventListener("click", run);
  return made;
};

const statusText = ({ state, held }: AttachmentStatus, size: number): string => {
  switch (state) {
    case "present":
      return "";
    case "fetching":
      return held === 0
        ? `${sizeLabel(size)}. Waiting for a device that has it`
        : `${sizeLabel(held)} of ${sizeLabel(size)}`;
    case "missing":
      return `${sizeLabel(size)}. Not on this device`;
    case "damaged":
      return "Damaged where it was attached";
  }
};

/** Narrowest a picture can be dragged to, and the step of the arrow keys. */
const MIN_WIDTH = 48;
const WIDTH_STEP = 32;

/** Replaces the embed of a node view by one with other attributes. */
const changeAttrs = (
  view: Parameters<NodeViewConstructor>[1],
  getPos: () => number | undefined,
  change: (attrs: BlockAttrs) => BlockAttrs,
): void => {
  const pos = getPos();
  const node = pos === undefined ? null : view.state.doc.nodeAt(pos);
  if (pos === undefined || node === null || !view.editable) return;
  const embed = nodeToEmbed(node);
  const next = embedToNode({ ...embed, attrs: change(embed.attrs) });
  if (!next.eq(node)) view.dispatch(view.state.tr.replaceWith(pos, pos + 1, next).setMeta(CLOSE_UNDO, true));
};

const withoutEmpty = (attrs: BlockAttrs, name: string, value: string | number | undefined): BlockAttrs => {
  const { [name]: _old, ...rest } = attrs;
  return value === undefined || value === "" ? rest : { ...rest, [name]: value };
};

/** A field under a picture or on a card that edits its caption. */
const captionField = (
  view: Parameters<NodeViewConstructor>[1],
  getPos: () => number | undefined,
  attrs: BlockAttrs,
): HTMLInputElement => {
  const field = element("input", "attachment-caption");
  field.type = "text";
  field.value = textAttr(attrs, "alt");
  field.placeholder = "Add a caption";
  field.setAttribute("aria-label", "Caption");
  field.readOnly = !view.editable;
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Escape") field.value = textAttr(attrs, "alt");
    view.focus();
  });
  field.addEventListener("blur", () => {
    const caption = field.value.trim();
    changeAttrs(view, getPos, (present) => withoutEmpty(present, "alt", caption));
  });
  return field;
};

/** A picture with its preview while it is missing, a caption and a handle for its width. */
export const attachedImage =
  (attachments: Attachments): NodeViewConstructor =>
  (node, view, getPos): NodeView => {
    const { attrs } = nodeToEmbed(node);
    const blob = textAttr(attrs, "blob");
    const size = numberAttr(attrs, "size");
    const dom = element("span", "attachment-image");
    dom.contentEditable = "false";
    const frame = element("span", "attachment-frame");
    const picture = element("img", "attachment-picture");
    picture.alt = textAttr(attrs, "alt") || textAttr(attrs, "name");
    picture.draggable = false;
    const overlay = element("span", "attachment-overlay");
    const label = element("span", "attachment-status");
    const bar = element("progress", "attachment-progress");
    const fetchButton = button("Get it now", () => attachments.fetch(blob));
    overlay.append(label, bar, fetchButton);
    frame.append(picture, overlay);
    const [width, height] = [numberAttr(attrs, "pixelWidth"), numberAttr(attrs, "pixelHeight")];
    if (width > 0 && height > 0) {
      picture.width = width;
      picture.height = height;
    }
    const shownWidth = numberAttr(attrs, "width");
    if (shownWidth > 0) frame.style.width = `${shownWidth}px`;
    dom.append(frame);
    const caption = captionField(view, getPos, attrs);
    dom.append(caption);

    const thumb = textAttr(attrs, "thumb");
    let shown = "";
    const show = (source: string): void => {
      if (shown === source) return;
      shown = source;
      picture.src = attachments.url(source);
    };
    picture.addEventListener("error", () => {
      dom.dataset["unshown"] = "true";
      label.textContent = `${textAttr(attrs, "name")} cannot be shown`;
    });
    picture.addEventListener("load", () => {
      delete dom.dataset["unshown"];
    });
    const unwatch = attachments.watch(blob, (status) => {
      dom.dataset["state"] = status.state;
      label.textContent = statusText(status, size);
      bar.max = Math.max(1, size);
      bar.value = status.held;
      bar.hidden = status.state !== "fetching" || status.held === 0;
      fetchButton.hidden = status.state !== "missing";
      if (status.state === "present") show(blob);
      else if (thumb !== "") show(thumb);
    });

    const setWidth = (next: number): void => {
      const limit = dom.parentElement?.clientWidth ?? next;
      const bounded = Math.round(Math.min(limit, Math.max(MIN_WIDTH, next)));
      changeAttrs(view, getPos, (present) => withoutEmpty(present, "width", bounded >= limit ? undefined : bounded));
    };
    if (view.editable) {
      const handle = element("span", "attachment-handle");
      handle.tabIndex = 0;
      handle.setAttribute("role", "slider");
      handle.setAttribute("aria-label", "Width of the picture");
      handle.setAttribute("aria-valuenow", String(shownWidth || width));
      handle.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        handle.setPointerCapture(event.pointerId);
        const [startX, startWidth] = [event.clientX, frame.getBoundingClientRect().width];
        const move = (moved: PointerEvent): void => {
          frame.style.width = `${Math.max(MIN_WIDTH, startWidth + moved.clientX - startX)}px`;
        };
        const end = (): void => {
          handle.removeEventListener("pointermove", move);
          setWidth(frame.getBoundingClientRect().width);
        };
        handle.addEventListener("pointermove", move);
        handle.addEventListener("pointerup", end, { once: true });
        handle.addEventListener("pointercancel", end, { once: true });
      });
      handle.addEventListener("keydown", (event) => {
        const step = event.key === "ArrowRight" ? WIDTH_STEP : event.key === "ArrowLeft" ? -WIDTH_STEP : 0;
        if (step === 0) return;
        event.preventDefault();
        setWidth(frame.getBoundingClientRect().width + step);
      });
      frame.append(handle);
    }
    return {
      dom,
      destroy: unwatch,
      stopEvent: (event) =>
        event.target instanceof Element && event.target.closest("input, button, .attachment-handle") !== null,
      ignoreMutation: () => true,
    };
  };

/** Files with a player of the browser's own. */
const PLAYED = /^(?:video\/(?:mp4|webm|ogg|quicktime)|audio\/(?:mpeg|mp4|aac|ogg|wav|flac))$/;

/** A file as a card with name, size, progress and what can be done with it; sound and film play in place. */
export const attachedFile =
  (attachments: Attachments): NodeViewConstructor =>
  (node, view, getPos): NodeView => {
    const { attrs } = nodeToEmbed(node);
    const blob = textAttr(attrs, "blob");
    const size = numberAttr(attrs, "size");
    const mime = textAttr(attrs, "mime");
    const dom = element("span", "attachment-file");
    dom.contentEditable = "false";
    const card = element("span", "attachment-card");
    const icon = element(
      "span",
      "attachment-icon",
      (/\.([^.]{1,5})$/.exec(textAttr(attrs, "name"))?.[1] ?? "file").slice(0, 4),
    );
    icon.setAttribute("aria-hidden", "true");
    const facts = element("span", "attachment-facts");
    const name = element("span", "attachment-name", textAttr(attrs, "name"));
    name.title = textAttr(attrs, "name");
    const status = element("span", "attachment-status", sizeLabel(size));
    const bar = element("progress", "attachment-progress");
    facts.append(name, status, bar);
    const actions = element("span", "attachment-actions");
    const fetchButton = button("Get it now", () => attachments.fetch(blob));
    const saveButton = button("Save as…", () => attachments.saveAs(attrs));
    actions.append(fetchButton, saveButton);
    if (PLAYED.test(mime)) {
      const playButton = button("Play", () => {
        const player = document.createElement(mime.startsWith("video/") ? "video" : "audio");
        player.className = "attachment-player";
        player.controls = true;
        player.autoplay = true;
        player.src = attachments.url(blob);
        playButton.remove();
        dom.append(player);
      });
      actions.prepend(playButton);
    }
    // The host answers with a window that holds the viewer and nothing of this page.
    if (mime === "application/pdf")
      actions.prepend(button("Open", () => void window.open(attachments.url(blob), textAttr(attrs, "name"))));
    card.append(icon, facts, actions);
    dom.append(card);
    if (view.editable || textAttr(attrs, "alt") !== "") dom.append(captionField(view, getPos, attrs));
    const unwatch = attachments.watch(blob, (now) => {
      dom.dataset["state"] = now.state;
      status.textContent = statusText(now, size) || sizeLabel(size);
      bar.max = Math.max(1, size);
      bar.value = now.held;
      bar.hidden = now.state !== "fetching" || now.held === 0;
      fetchButton.hidden = now.state !== "missing";
      saveButton.disabled = now.state === "damaged";
    });
    return {
      dom,
      destroy: unwatch,
      stopEvent: (event) =>
        event.target instanceof Element && event.target.closest("input, button, video, audio") !== null,
      ignoreMutation: () => true,
    };
  };
