#!/usr/bin/env node
import { surroundings } from './config.js';
import { runProgram } from './program.js';

process.exitCode = await runProgram(process.argv.slice(2), surroundings());
