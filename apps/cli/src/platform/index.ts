export { explainBrokenPlace } from '@taskmaster/provision';
export { Interrupted, listenForInterruption, type Interruption } from './interruption.js';
export { dataDirectory, type PlatformOptions } from './options.js';
export { PlatformFault, type PlatformFaultCode } from './platform-fault.js';
export { ensureDataDirectory, startPlatform } from './platform.js';
export type { Platform, PlatformEnd, PlatformProcess } from './running-platform.js';
export { SERVICE_NAMES, type ServiceName } from './services.js';
export { readRecord, type PlatformRecord } from './state-file.js';
export { checkSchema } from './migration.js';
