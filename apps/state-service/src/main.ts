import 'reflect-metadata';
import { announceReady, onShutdown, sayWhyItEnds } from '@taskmaster/service-kit';
import { readConfig, SERVICE_NAME } from './config.js';
import { startStateService } from './start.js';

sayWhyItEnds(SERVICE_NAME);
const { closers, logger } = await startStateService(readConfig(process.env));
onShutdown(closers, { logger });
announceReady({ service: SERVICE_NAME }, logger);
