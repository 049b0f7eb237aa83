import 'reflect-metadata';
import { announceReady, onShutdown, sayWhyItEnds } from '@taskmaster/service-kit';
import { readConfig, SERVICE_NAME } from './config.js';
import { connectCoordinator } from './start.js';

sayWhyItEnds(SERVICE_NAME);
const { begin, closers, logger } = await connectCoordinator(readConfig(process.env));
onShutdown(closers, { logger });
await begin();
announceReady({ service: SERVICE_NAME }, logger);
