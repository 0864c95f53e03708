import fc from 'fast-check'

// The same cases in each run, so that CI fails for what changed. For a longer hunt: FC_SEED=$RANDOM ./wherry test NAME
fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 2026) })
