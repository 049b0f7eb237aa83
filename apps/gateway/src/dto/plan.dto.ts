import {
  ERROR_TYPES,
  PLAN_STEPS_MAX,
  STEP_ATTEMPTS_MAX,
  STEP_DEPENDENCIES_MAX,
  STEP_KINDS,
  type ErrorType,
  type JsonObject,
  type OnFailure,
  type StepKind,
} from '@taskmaster/contracts';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';

export const TITLE_LENGTH_MAX = 200;
const NAME_LENGTH_MAX = 128;
const DAY_MS = 86_400_000;

/** When and how often a failed attempt is tried again. */
export class RetryPolicyDto {
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(STEP_ATTEMPTS_MAX)
  maxAttempts?: number;
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(DAY_MS)
  initialIntervalMs?: number;
  @IsOptional()
  @IsNumber()
  @Min(1)
  @Max(100)
  multiplier?: number;
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(DAY_MS)
  maxIntervalMs?: number;
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(1)
  jitter?: number;
  @IsOptional()
  @IsArray()
  @IsIn(ERROR_TYPES, { each: true })
  nonRetryable?: ErrorType[];
}

/** What an agent must bring for a step. */
export class AgentNeedsDto {
  @IsOptional()
  @IsString()
  @MaxLength(NAME_LENGTH_MAX)
  role?: string;
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @IsString({ each: true })
  @MaxLength(NAME_LENGTH_MAX, { each: true })
  capabilities?: string[];
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @IsString({ each: true })
  @MaxLength(NAME_LENGTH_MAX, { each: true })
  languages?: string[];
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @IsString({ each: true })
  @MaxLength(NAME_LENGTH_MAX, { each: true })
  specialisations?: string[];
  @IsOptional()
  @IsString()
  @MaxLength(NAME_LENGTH_MAX)
  agentId?: string;
  @IsOptional()
  @IsString()
  @MaxLength(NAME_LENGTH_MAX)
  agentType?: string;
}

/** One step of a given plan; whether the steps fit together is decided by the rules. */
export class StepDto {
  @IsString()
  @MaxLength(NAME_LENGTH_MAX)
  id!: string;
  @IsOptional()
  @IsString()
  @MaxLength(TITLE_LENGTH_MAX)
  title?: string;
  @IsIn(STEP_KINDS)
  kind!: StepKind;
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(STEP_DEPENDENCIES_MAX)
  @IsString({ each: true })
  @MaxLength(NAME_LENGTH_MAX, { each: true })
  dependsOn?: string[];
  @IsOptional()
  @IsObject()
  input?: JsonObject;
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => AgentNeedsDto)
  needs?: AgentNeedsDto;
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => RetryPolicyDto)
  retry?: RetryPolicyDto;
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(7 * DAY_MS)
  timeoutMs?: number;
  @IsOptional()
  @IsIn(['fail', 'continue', 'block', 'escalate'])
  onFailure?: OnFailure;
}

/** The steps to take. */
export class PlanDto {
  @IsArray()
  @ArrayMaxSize(PLAN_STEPS_MAX)
  @ValidateNested({ each: true })
  @Type(() => StepDto)
  steps!: StepDto[];
}
