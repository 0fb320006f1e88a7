import { MAX_NAME_BYTES } from "../../protocol/blob/file-facts.ts";
import { utf8Length } from "../../protocol/codec/utf8.ts";

/** Media types of what people attach, by ending; the file's own bytes are never sniffed. */
const TYPE_BY_ENDING: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  ico: "image/x-icon",
  svg: "image/svg+xml",
  mp4: "video/mp4",
  m4v: "video/mp4",
  webm: "video/webm",
  ogv: "video/ogg",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  m4a: "audio/mp4",
  aac: "audio/aac",
  ogg: "audio/ogg",
  oga: "audio/ogg",
  opus: "audio/ogg",
  wav: "audio/wav",
  flac: "audio/flac",
  pdf: "application/pdf",
  txt: "text/plain",
  md: "text/markdown",
  csv: "text/csv",
  json: "application/json",
  html: "text/html",
  zip: "application/zip",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xls: "application/vnd.ms-excel",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  ppt: "application/vnd.ms-powerpoint",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  odt: "application/vnd.oasis.opendocument.text",
  ods: "application/vnd.oasis.opendocument.spreadsheet",
  odp: "application/vnd.oasis.opendocument.presentation",
};

export const mediaTypeOf = (name: string): string => {
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(TYPE_BY_ENDING, ending) ? (TYPE_BY_ENDING[ending] as string) : "application/octet-stream";
};

/** Whether a note shows it as a picture. */
export const isPicture = (mime: string): boolean => mime.startsWith("image/");

// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[/\\\u0000-\u001f\u007f]/g;

/** A name a manifest may hold, made from one a file system or a clipboard gave. */
export const tidyFileName = (given: string): string => {
  const cleaned = given.toWellFormed().replace(FORBIDDEN, "_").trim();
  const name = cleaned === "" || cleaned === "." || cleaned === ".." ? "file" : cleaned;
  if (utf8Length(name) <= MAX_NAME_BYTES) return name;
  const ending = /\.[a-z0-9]{1,16}$/i.exec(name)?.[0] ?? "";
  // Four bytes a character at most: 58 of them and the ending stay below 255 bytes whatever they are.
  return Array.from(name).slice(0, 58).join("") + ending;
};
