# fish completion for memif

function __memif_candidates
    set --local before (commandline --current-process --tokenize --cut-at-cursor)
    command memif completions fish --answer (count $before) -- $before (commandline --current-token --cut-at-cursor) 2>/dev/null
end

complete --command memif --no-files --keep-order --arguments '(__memif_candidates)'
