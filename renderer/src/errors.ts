import type { ContractError, ErrorType } from "../../app/contract/errors.ts";

/** What a failure is called in a heading; the sentence below it is the contract's own. */
const HEADINGS: Readonly<Record<ErrorType, string>> = {
  InvalidInput: "That did not work",
  UnknownOperation: "This version cannot do that",
  NoIdentity: "No identity yet",
  IdentityExists: "There is already an identity",
  PassphraseRequired: "A passphrase is needed",
  WrongPassphrase: "Wrong passphrase",
  VaultLocked: "Your keys are locked",
  CorruptKeyFile: "The key file is damaged",
  KeychainUnavailable: "The keychain does not answer",
  WrongPhrase: "Those are not the words",
  BadPhrase: "Not a recovery phrase",
  PhraseRequired: "Your phrase is needed",
  BadPairingLink: "Not a new device's link",
  PairingNotFound: "The new device is gone",
  DeviceNotFound: "No such device",
  NotebookNotFound: "Notebook not found",
  DocumentNotFound: "Note not found",
  VersionNotFound: "Version not found",
  NotAllowed: "Not allowed",
  MemberNotFound: "No such member",
  BadContactLink: "Not a contact card",
  ContactNotFound: "No such contact",
  OwnContact: "That is you",
  DigitsDiffer: "The digits differ",
  KeysMissing: "The newest keys are missing here",
  OutOfRange: "That did not work",
  BadInvite: "Not a valid invite link",
  InviteExpired: "The invite has expired",
  InviteNotFound: "The invite is gone",
  AlreadyMember: "Already a member",
  BadAddress: "Not a valid address",
  PeerUnreachable: "Nobody answers there",
  HandshakeFailed: "No common protocol",
  BadProxyLink: "Not a valid link",
  BadProxyCode: "The code was refused",
  ProxyCodeRequired: "A code is needed",
  NotAProxy: "No always-on node there",
  TooManyProxies: "Enough always-on nodes",
  ProxyNotFound: "Always-on node not found",
  PortInUse: "The port is taken",
  DataDirectoryInUse: "Already running",
  CorruptDatabase: "The database is damaged",
  DiskFull: "The disk is full",
  FolderNotFound: "Folder not found",
  FolderNotEmpty: "The folder is not empty",
  TooManyFiles: "Too many files",
  CannotWrite: "Cannot write there",
  FileNotFound: "File not found",
  FileUnreadable: "The file cannot be read",
  FileTooLarge: "The file is too large",
  NotebookFull: "The notebook is full",
  AttachmentNotFound: "File not found",
  AttachmentMissing: "The file is not here yet",
  AttachmentDamaged: "The file is damaged",
  ImportRunning: "An import is already running",
  ExportRunning: "An export is under way",
  NotAnExport: "Not an export",
  ExportDamaged: "The export is damaged",
  BackupRunning: "A backup is under way",
  NotABackup: "Not a backup",
  NewerBackup: "The backup is newer than this app",
  BackupDamaged: "The backup is damaged",
  Cancelled: "Cancelled",
  EngineFailed: "The note could not be computed",
  BadChange: "The change was refused",
  LeaseExpired: "The note was closed",
  Unsupported: "Not possible here",
  Stopping: "Shutting down",
  Internal: "Something went wrong",
};

/** Heading and sentence of a failure, ready to be shown. */
export interface Problem {
  readonly heading: string;
  readonly message: string;
}

export const problemOf = (error: ContractError): Problem => ({ heading: HEADINGS[error.type], message: error.message });

/** Same for a problem that the node reported by itself, whose type may be newer than this window. */
export const problemOfReport = (error: { readonly type: string; readonly message: string }): Problem => ({
  heading: Object.hasOwn(HEADINGS, error.type) ? HEADINGS[error.type as ErrorType] : "Something needs your attention",
  message: error.message,
});
