import type { Transaction } from "prosemirror-state";
import { Plugin, Selection, TextSelection } from "prosemirror-state";
import type { EditorView } from "prosemirror-view";

/**
 * Of a long note the page lays out only the blocks near the viewport: with 20 000 blocks beside each other a keystroke costs
 * the browser a quarter of a second, whatever was typed. All blocks are elements; those far away are not displayed, and two
 * spacers stand for their heights, measured where they were displayed once and estimated elsewhere.
 */

/** Shorter notes are displayed whole: their layout takes a millisecond or two. */
const LONG_NOTE_BLOCKS = 500;
/** Blocks are displayed this many heights of the viewport above and below it, so that keys and wheel stay within them ... */
const MARGIN_SCREENS = 2;
/** ... and others once less than this is left. */
const LEAST_MARGIN_SCREENS = 0.75;
/** Height of a line of text with its padding, until blocks were measured. */
const FIRST_ESTIMATE_PX = 34;

const NEAR = "near";
const LONG = "is-long";

interface DomObserver {
  readonly stop: () => void;
  readonly start: () => void;
}

const scrollerOf = (element: HTMLElement): HTMLElement => {
  for (let at = element.parentElement; at !== null; at = at.parentElement)
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
  return document.documentElement;
};

const createWindow = (view: EditorView) => {
  const root = view.dom;
  const near = root.getElementsByClassName(NEAR);
  const { domObserver } = view as unknown as { readonly domObserver: DomObserver };
  let scroller: HTMLElement | undefined;
  let heights = new WeakMap<Element, number>();
  let measured = { sum: FIRST_ESTIMATE_PX, count: 1 };
  let shown = 0;
  let width = 0;
  let frame: number | undefined;
  /** Offsets in the note between which blocks were displayed last. */
  let range = { top: 0, bottom: 0 };
  /** The blocks between them. */
  let within = new WeakSet<Element>();

  const heightOf = (block: Element): number => heights.get(block) ?? measured.sum / measured.count;

  const blockAt = (pos: number): Element | undefined => {
    let node: Node | null = view.domAtPos(pos).node;
    while (node !== null && node.parentNode !== root) node = node.parentNode;
    return node instanceof Element ? node : undefined;
  };

  const measure = (): void => {
    for (const block of near) {
      const height = (block as HTMLElement).offsetHeight;
      if (height === 0) continue;
      const before = heights.get(block);
      measured = { sum: measured.sum + height - (before ?? 0), count: measured.count + (before === undefined ? 1 : 0) };
      heights.set(block, height);
    }
  };

  /** Offset of a block's top in the note. */
  const offsetOf = (wanted: Element): number => {
    let top = 0;
    for (let block = root.firstElementChild; block !== null && block !== wanted; block = block.nextElementSibling)
      top += heightOf(block);
    return top;
  };

  /**
   * Displays the blocks around [top, bottom] of the note, and wherever they are those that hold the ends of the selection,
   * the first and the last one: from a place that is not displayed the browser looks for the nearest one that is, minutes long.
   */
  const display = (top: number, bottom: number, also?: Element): void => {
    const margin = MARGIN_SCREENS * Math.max(bottom - top, 200);
    range = { top: top - margin, bottom: bottom + margin };
    const { anchor, head } = view.state.selection;
    const kept = [blockAt(anchor), blockAt(head), root.firstElementChild, root.lastElementChild, also];
    const inView = scroller?.getBoundingClientRect().top ?? 0;
    const reference = [...near].find((block) => block.getBoundingClientRect().bottom > inView);
    const before = reference?.getBoundingClientRect().top ?? 0;
    domObserver.stop();
    within = new WeakSet();
    let [above, below] = [0, 0];
    let at = 0;
    shown = 0;
    for (let block = root.firstElementChild; block !== null; block = block.nextElementSibling) {
      const height = heightOf(block);
      const isWithin = at + height >= range.top && at <= range.bottom;
      if (isWithin) within.add(block);
      const isNear = isWithin || kept.includes(block);
      if (block.classList.contains(NEAR) !== isNear) block.classList.toggle(NEAR, isNear);
      if (isNear) shown++;
      else if (at < range.top) above += height;
      else below += height;
      at += height;
    }
    root.style.setProperty("--above", `${above}px`);
    root.style.setProperty("--below", `${below}px`);
    domObserver.start();
    measure();
    if (reference?.classList.contains(NEAR) !== true || scroller === undefined) return;
    const moved = reference.getBoundingClientRect().top - before;
    if (Math.abs(moved) >= 1) scroller.scrollTop += moved;
  };

  const viewport = (): { readonly top: number; readonly bottom: number } => {
    const outer = scroller?.getBoundingClientRect();
    const top = Math.max(0, (outer?.top ?? 0) - root.getBoundingClientRect().top);
    return { top, bottom: top + (outer?.height ?? 0) };
  };

  const follow = (): void => {
    frame = undefined;
    if (shown === 0) return;
    const { top, bottom } = viewport();
    const least = LEAST_MARGIN_SCREENS * (bottom - top);
    if (top - least < range.top || bottom + least > range.bottom) display(top, bottom);
  };

  const onScroll = (): void => {
    frame ??= requestAnimationFrame(follow);
  };

  const resized = new ResizeObserver(() => {
    if (root.clientWidth === width || shown === 0) return;
    width = root.clientWidth;
    heights = new WeakMap();
    measured = { sum: FIRST_ESTIMATE_PX, count: 1 };
    const { top, bottom } = viewport();
    display(top, bottom);
  });

  const stop = (): void => {
    if (shown === 0) return;
    shown = 0;
    root.classList.remove(LONG);
    resized.disconnect();
    scroller?.removeEventListener("scroll", onScroll);
    if (frame !== undefined) cancelAnimationFrame(frame);
    frame = undefined;
  };

  const update = (): void => {
    if (view.state.doc.childCount < LONG_NOTE_BLOCKS) {
      stop();
      return;
    }
    if (shown > 0) {
      // Neither a block drawn anew, nor one more or less, nor the caret somewhere else.
      if (near.length === shown && blockAt(view.state.selection.head)?.classList.contains(NEAR) === true) return;
      const { top, bottom } = viewport();
      display(top, bottom);
      return;
    }
    root.classList.add(LONG);
    scroller = scrollerOf(root);
    scroller.addEventListener("scroll", onScroll, { passive: true });
    const { top, bottom } = viewport();
    display(top, bottom);
    width = root.clientWidth;
    resized.observe(root);
  };

  return {
    update,
    stop,
    isLong: () => shown > 0,
    /** Displays the blocks around a position, so that it is where it will be. */
    reach: (pos: number) => {
      const block = shown === 0 ? undefined : blockAt(pos);
      if (block === undefined || within.has(block)) return;
      const top = offsetOf(block);
      const { top: seen, bottom } = viewport();
      display(top, top + bottom - seen);
    },
    /** Displays the block of a position beside those that are displayed. */
    keep: (pos: number) => {
      const block = shown === 0 ? undefined : blockAt(pos);
      if (block === undefined || block.classList.contains(NEAR)) return;
      const { top, bottom } = viewport();
      display(top, bottom, block);
    },
  };
};

/** Keeps the cost of a long note's layout from growing with its length. */
export const nearBlocks = (): {
  readonly plugin: Plugin;
  /** Displays where a transaction puts the selection; before the editor does so on the page. */
  readonly prepare: (tr: Transaction) => void;
} => {
  let open: ReturnType<typeof createWindow> | undefined;
  const prepare = (tr: Transaction): void => {
    if (open?.isLong() !== true || (!tr.docChanged && !tr.selectionSet)) return;
    const back = tr.mapping.invert();
    for (const pos of [tr.selection.anchor, tr.selection.head])
      open.keep(Math.max(0, Math.min(tr.before.content.size, back.map(pos))));
  };
  const plugin = new Plugin({
    view: (view) => {
      open = createWindow(view);
      open.update();
      return { update: open.update, destroy: open.stop };
    },
    props: {
      handleScrollToSelection: (view) => {
        open?.reach(view.state.selection.head);
        return false;
      },
      // The browser knows only what is displayed: to it, that is where the note begins and ends.
      handleKeyDown: (view, event) => {
        if (open?.isLong() !== true || event.altKey || (!event.ctrlKey && !event.metaKey)) return false;
        const isStart = event.key === "Home" || (event.metaKey && event.key === "ArrowUp");
        const isEnd = event.key === "End" || (event.metaKey && event.key === "ArrowDown");
        if (!isStart && !isEnd) return false;
        const { doc, selection } = view.state;
        const place = isStart ? Selection.atStart(doc) : Selection.atEnd(doc);
        const target = event.shiftKey ? TextSelection.between(selection.$anchor, place.$head) : place;
        view.dispatch(view.state.tr.setSelection(target).scrollIntoView());
        return true;
      },
    },
  });
  return { plugin, prepare };
};
