import type { Attachment } from "svelte/attachments";

/** Long enough not to flicker while the pointer passes over a toolbar. */
const SHOW_AFTER_MS = 450;
const GAP_PX = 6;
const EDGE_PX = 8;

/** Shows `text` (and a shortcut) beside the element on hover or keyboard focus; purely visual, the element carries its own name. */
export const tooltip =
  (text: string, shortcut?: string): Attachment<HTMLElement> =>
  (anchor) => {
    let bubble: HTMLElement | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const hide = () => {
      clearTimeout(timer);
      bubble?.remove();
      bubble = undefined;
    };
    const show = () => {
      hide();
      bubble = document.createElement("div");
      bubble.className = "tooltip";
      bubble.setAttribute("aria-hidden", "true");
      bubble.setAttribute("popover", "manual");
      bubble.append(text);
      if (shortcut !== undefined) {
        const keys = document.createElement("kbd");
        keys.textContent = shortcut;
        bubble.append(keys);
      }
      document.body.append(bubble);
      bubble.showPopover();
      const at = anchor.getBoundingClientRect();
      const size = bubble.getBoundingClientRect();
      const left = at.left + at.width / 2 - size.width / 2;
      const below = at.bottom + GAP_PX;
      const fitsBelow = below + size.height < innerHeight - EDGE_PX;
      bubble.style.left = `${Math.max(EDGE_PX, Math.min(left, innerWidth - size.width - EDGE_PX))}px`;
      bubble.style.top = `${fitsBelow ? below : at.top - size.height - GAP_PX}px`;
    };
    const showLater = () => {
      clearTimeout(timer);
      timer = setTimeout(show, SHOW_AFTER_MS);
    };
    const showForKeyboard = () => {
      if (anchor.matches(":focus-visible")) showLater();
    };

    anchor.addEventListener("pointerenter", showLater);
    anchor.addEventListener("pointerleave", hide);
    anchor.addEventListener("pointerdown", hide);
    anchor.addEventListener("focus", showForKeyboard);
    anchor.addEventListener("blur", hide);
    anchor.addEventListener("keydown", hide);
    return () => {
      hide();
      anchor.removeEventListener("pointerenter", showLater);
      anchor.removeEventListener("pointerleave", hide);
      anchor.removeEventListener("pointerdown", hide);
      anchor.removeEventListener("focus", showForKeyboard);
      anchor.removeEventListener("blur", hide);
      anchor.removeEventListener("keydown", hide);
    };
  };
