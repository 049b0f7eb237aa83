import type { ProfileName } from '@taskmaster/contracts';
import { cicd } from './cicd.js';
import type { Profile } from './profile.js';
import { simple } from './simple.js';
import { squad } from './squad.js';

export const PROFILES: Readonly<Record<ProfileName, Profile>> = { cicd, squad, simple };
export const profileOf = (name: ProfileName): Profile => PROFILES[name];
