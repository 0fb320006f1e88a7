/** Every way an operation can fail, with the sentence shown when the host has none more specific. */
export const ERROR_MESSAGES = {
  InvalidInput: "That input is not valid.",
  UnknownOperation: "There is no operation of that name.",
  NoIdentity: "Create an identity first.",
  IdentityExists: "This data folder already has an identity.",
  PassphraseRequired: "Choose a passphrase: this computer has no keychain to protect your keys.",
  WrongPassphrase: "That passphrase does not open your keys.",
  VaultLocked: "Unlock your keys first.",
  CorruptKeyFile: "The key file is damaged. Restore it from a backup, or recover with your phrase.",
  KeychainUnavailable: "The system keychain does not answer. Log in to it and try again.",
  WrongPhrase: "Those words are not the ones of your recovery phrase.",
  BadPhrase: "Those 24 words do not belong together. Check them once more.",
  PhraseRequired: "That needs your recovery phrase.",
  BadPairingLink: "That is not the link a new device shows. Copy it again.",
  PairingNotFound: "That device is not waiting any more. Start again.",
  DeviceNotFound: "There is no such device in your identity.",
  NotebookNotFound: "There is no notebook with that id.",
  DocumentNotFound: "There is no document with that id.",
  VersionNotFound: "This device does not have that version of the note.",
  NotAllowed: "Your role in this notebook does not allow that.",
  MemberNotFound: "There is no such member in this notebook.",
  BadContactLink: "That is not a contact card, or not all of it. Copy it again.",
  ContactNotFound: "There is no such person among your contacts.",
  OwnContact: "That is your own contact card.",
  DigitsDiffer:
    "Those digits are not the same as here. Check them once more; if they stay different, somebody stands between you.",
  KeysMissing:
    "This device has not received the newest keys of this notebook yet. Connect to another member and try again.",
  OutOfRange: "That position lies outside the text.",
  BadInvite: "That invite link is not complete. Copy it again.",
  InviteExpired: "That invite has expired. Ask for a new one.",
  InviteNotFound: "There is no such invite waiting.",
  AlreadyMember: "You are already a member of that notebook.",
  BadAddress: "That is not an address of the form host:port.",
  PeerUnreachable: "Nobody answers at that address.",
  HandshakeFailed: "The other side does not speak p2pcollab's protocol, or an older one.",
  BadProxyLink: "That is not the link of an always-on node, or not all of it. Copy it again.",
  BadProxyCode: "That code was used already or is not one of that always-on node. Ask its owner for a new one.",
  ProxyCodeRequired: "That always-on node lets nobody in without a code. Ask its owner for one.",
  NotAProxy:
    "The computer at that address does not work as an always-on node, or it is not the one the link names. Check both.",
  TooManyProxies: "You use eight always-on nodes already. Remove one first.",
  ProxyNotFound: "You do not use that always-on node.",
  PortInUse: "That port is taken by another program. Choose another one.",
  DataDirectoryInUse: "Another p2pcollab already uses this data folder.",
  CorruptDatabase: "The database is damaged. It was set aside; restore a backup or sync from another device.",
  DiskFull: "The disk is full. Nothing was lost; free some space and try again.",
  FolderNotFound: "There is no such folder, or it may not be read.",
  FolderNotEmpty: "That folder already holds other files. Choose an empty one.",
  TooManyFiles: "That folder holds more files than one import takes. Import its folders one by one.",
  CannotWrite: "That folder may not be written to.",
  FileNotFound: "There is no such file.",
  FileUnreadable: "The file cannot be read.",
  FileTooLarge: "Files larger than 1 GiB cannot be attached.",
  NotebookFull: "The files of this notebook would exceed 5 GiB. Remove some first.",
  AttachmentNotFound: "There is no such file in that note.",
  AttachmentMissing: "The file is not on this device yet, and nobody who has it is connected.",
  AttachmentDamaged: "The file cannot be read: it was damaged where it was attached.",
  ImportRunning: "An import into this notebook is already running.",
  ExportRunning: "An export or import of notebooks is already running.",
  NotAnExport: "That folder holds no complete export of p2pcollab.",
  ExportDamaged: "That export is not complete or was changed.",
  BackupRunning: "A backup is already being made or read.",
  NotABackup: "That file is no backup of p2pcollab.",
  NewerBackup: "That backup was made by a newer p2pcollab. Update the app to read it.",
  BackupDamaged: "That backup is damaged or not complete. Use another one.",
  Cancelled: "That was cancelled.",
  EngineFailed: "That document could not be computed. It was set aside and nothing was lost.",
  BadChange: "That change does not fit the document.",
  LeaseExpired: "The document was closed in the meantime. Open it again.",
  Unsupported: "That is not possible in this host.",
  Stopping: "The node is shutting down.",
  Internal: "Something went wrong inside p2pcollab. The log says more.",
} as const;

export type ErrorType = keyof typeof ERROR_MESSAGES;

/** An expected failure as it crosses the contract: a code and a sentence a person can act on. */
export interface ContractError {
  readonly type: ErrorType;
  readonly message: string;
}

export const contractError = (type: ErrorType, message: string = ERROR_MESSAGES[type]): ContractError => ({
  type,
  message,
});
