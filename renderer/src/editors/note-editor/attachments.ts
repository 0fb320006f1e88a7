import { attachmentOfAttrs, attrsOfAttachment, thumbnailOfAttrs } from "../../../../app/attachments/attachment-ref.ts";
import type { Api } from "../../../../app/contract/create-api.ts";
import type { ContractError } from "../../../../app/contract/errors.ts";
import type { Attachment } from "../../../../app/contract/types.ts";
import type { BlockAttrs } from "../../../../app/repositories/note-schema.ts";

/** How much of a file is on this device. */
export interface AttachmentStatus {
  readonly state: Attachment["state"];
  readonly held: number;
}

export type AttachedEmbed = {
  readonly type: "image" | "file";
  readonly attrs: BlockAttrs;
};

/** The files of an open note, as its node views show them. */
export interface Attachments {
  /** Address that the page may show; bytes that are missing are fetched while it is read. */
  readonly url: (blob: string) => string;
  /** Tells the status now, as soon as it is known, and after each change. */
  readonly watch: (blob: string, listener: (status: AttachmentStatus) => void) => () => void;
  /** Takes a file into the notebook and answers the embed that stands for it. */
  readonly add: (file: File, onProgress: (share: number) => void) => Promise<AttachedEmbed | undefined>;
  /** Takes a file of another notebook into this one; what a note here stores of it, undefined where nothing changes. */
  readonly adopt: (attrs: BlockAttrs) => Promise<BlockAttrs | undefined>;
  readonly fetch: (blob: string) => void;
  readonly saveAs: (attrs: BlockAttrs) => void;
  readonly close: () => void;
}

declare global {
  interface Window {
    /** Put there by the preload script; absent where no file has a place, as in tests of the page alone. */
    readonly p2pcollabPathOf?: (file: File) => string;
  }
}

const NOTEBOOK_DIGITS = 32;
/** Bound of `attachments.add` for what has no path. */
const MAX_PASTED_BYTES = 33_554_432;
/** A preview fills a card while the picture is on its way (data formats, section 13). */
const MAX_PREVIEW_BYTES = 32_768;
const PREVIEW_SIDES = [512, 384, 256, 160, 96] as const;

export const isPicture = (mime: string): boolean => mime.startsWith("image/");

/** A small WebP of a picture, made here; undefined for what the browser cannot draw. */
const previewOf = async (picture: ImageBitmap): Promise<Uint8Array | undefined> => {
  for (const side of PREVIEW_SIDES) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(picture.width * scale)),
      Math.max(1, Math.round(picture.height * scale)),
    );
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const encoded = await canvas.convertToBlob({ type: "image/webp", quality: 0.7 });
    if (encoded.size <= MAX_PREVIEW_BYTES) return new Uint8Array(await encoded.arrayBuffer());
  }
  return undefined;
};

const decodePicture = async (file: File): Promise<ImageBitmap | undefined> => {
  try {
    return await createImageBitmap(file);
  } catch {
    return undefined;
  }
};

export const openAttachments = (api: Api, document: string, onError: (error: ContractError) => void): Attachments => {
  const notebook = document.slice(0, NOTEBOOK_DIGITS);
  const host = api.identity === undefined ? notebook : `${api.identity}.${notebook}`;
  const known = new Map<string, AttachmentStatus>();
  const listeners = new Map<string, Set<(status: AttachmentStatus) => void>>();
  const progress = new Map<string, (share: number) => void>();
  let listing = false;
  let tokens = 0;

  const tell = (blob: string, status: AttachmentStatus): void => {
    known.set(blob, status);
    for (const listener of listeners.get(blob) ?? []) listener(status);
  };
  let stop: (() => void) | undefined;
  /** Only for notes with files. */
  const listen = (): void => {
    stop ??= api.subscribe("events", undefined, (message) => {
      if (!message.ok) return;
      const event = message.value;
      if (event.type === "attachmentChanged" && event.notebook === notebook) tell(event.blob, event);
      if (event.type === "attachmentProgress")
        progress.get(event.token)?.(event.total === 0 ? 1 : event.done / event.total);
    });
  };

  /** Asks once for all files that came to be watched in one turn. */
  const list = (): void => {
    if (listing) return;
    listing = true;
    setTimeout(() => {
      void api.call("attachments.list", { document }).then((answer) => {
        listing = false;
        if (!answer.ok) return;
        for (const { blob, state, held } of answer.value) tell(blob, { state, held });
      });
    }, 0);
  };

  const add: Attachments["add"] = async (file, onProgress) => {
    listen();
    const path = window.p2pcollabPathOf?.(file) ?? "";
    if (path === "" && file.size > MAX_PASTED_BYTES) {
      onError({ type: "FileTooLarge", message: "Pasted files have at most 32 MB. Drop the file itself instead." });
      return undefined;
    }
    const token = `${document.slice(-8)}-${++tokens}-${Date.now()}`;
    progress.set(token, onProgress);
    const mime = file.type === "" ? {} : { mime: file.type };
    const source =
      path === "" ? { bytes: new Uint8Array(await file.arrayBuffer()), name: file.name || "picture.png" } : { path };
    const answer = await api.call("attachments.add", { document, ...source, ...mime, place: "none", token });
    progress.delete(token);
    if (!answer.ok) {
      onError(answer.error);
      return undefined;
    }
    tell(answer.value.blob, answer.value);
    const { blob, key, size, mime: kind, name } = answer.value;
    const attrs = { blob, key, size, mime: kind, name };
    if (!isPicture(kind)) return { type: "file", attrs };
    const picture = await decodePicture(file);
    if (picture === undefined) return { type: "image", attrs };
    const { width, height } = picture;
    const preview = size > MAX_PREVIEW_BYTES ? await previewOf(picture) : undefined;
    picture.close();
    const measured = { ...attrs, pixelWidth: width, pixelHeight: height };
    if (preview === undefined) return { type: "image", attrs: measured };
    const small = await api.call("attachments.add", {
      document,
      bytes: preview,
      name: "preview.webp",
      mime: "image/webp",
      place: "none",
    });
    if (!small.ok) return { type: "image", attrs: measured };
    return {
      type: "image",
      attrs: { ...measured, thumb: small.value.blob, thumbKey: small.value.key, thumbSize: small.value.size },
    };
  };

  return {
    url: (blob) => `p2pcollab-file://${host}/${blob}`,
    watch: (blob, listener) => {
      listen();
      const watching = listeners.get(blob) ?? new Set();
      listeners.set(blob, watching);
      watching.add(listener);
      const status = known.get(blob);
      if (status === undefined) list();
      else listener(status);
      return () => watching.delete(listener);
    },
    add,
    adopt: async (attrs) => {
      const reference = attachmentOfAttrs(attrs);
      if (reference === undefined) return undefined;
      const { blob } = attrsOfAttachment(reference);
      const adopted = await api.call("attachments.adopt", { document, blob });
      // What nobody here has stays as it was pasted: whoever has it may come later.
      if (!adopted.ok || adopted.value.blob === blob) return undefined;
      listen();
      tell(adopted.value.blob, adopted.value);
      const renamed = { blob: adopted.value.blob, key: adopted.value.key };
      const preview = thumbnailOfAttrs(attrs);
      if (preview === undefined) return renamed;
      const small = await api.call("attachments.adopt", { document, blob: attrsOfAttachment(preview).blob });
      return small.ok ? { ...renamed, thumb: small.value.blob, thumbKey: small.value.key } : renamed;
    },
    fetch: (blob) => {
      void api.call("attachments.fetch", { document, blob }).then((answer) => {
        if (answer.ok) tell(blob, answer.value);
        else onError(answer.error);
      });
    },
    saveAs: (attrs) => {
      const reference = attachmentOfAttrs(attrs);
      if (reference === undefined) return;
      const { blob, name } = attrsOfAttachment(reference);
      void api.call("shell.pickSavePath", { name }).then(async (picked) => {
        if (!picked.ok) onError(picked.error);
        else if (picked.value !== null) {
          const saved = await api.call("attachments.save", { document, blob, path: picked.value });
          if (!saved.ok) onError(saved.error);
        }
      });
    },
    close: () => stop?.(),
  };
};
