#compdef memif
# zsh completion for memif

_memif() {
    local -a values folders
    local line value
    for line in "${(@f)$(command memif completions zsh --answer $((CURRENT - 1)) -- "${(@Q)words}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        [[ -n $value ]] || continue
        if [[ $value == */ ]]; then
            folders+=("${value//:/\\:}")
        else
            values+=("${value//:/\\:}:${line#*$'\t'}")
        fi
    done
    local found=1
    ((${#values})) && _describe -V 'memif' values && found=0
    ((${#folders})) && _describe -V 'directory' folders -S '' && found=0
    return found
}

# As a file of fpath it is called, and elsewhere it is read.
if [[ ${funcstack[1]} == _memif ]]; then
    _memif "$@"
else
    compdef _memif memif
fi
