# bash completion for memif

_memif() {
    # bash cuts words at = : @ and more; here they are as they were typed.
    local line=${COMP_LINE:0:COMP_POINT} words=() piece i at=0 joined=
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        while [[ $line == [[:space:]]* ]]; do
            line=${line#?}
            joined=
        done
        [[ $i -eq $COMP_CWORD && ${#piece} -gt ${#line} ]] && piece=$line
        line=${line#"$piece"}
        if [[ -n $joined ]]; then
            words[at]+=$piece
        else
            at=${#words[@]}
            words[at]=$piece
        fi
        joined=yes
    done

    # What bash replaces is its second argument, the end of that word.
    local kept=${words[at]%"$2"} value
    COMPREPLY=()
    compopt -o nosort 2>/dev/null
    while IFS=$'\t' read -r value _; do
        [[ $value == */ ]] && compopt -o nospace 2>/dev/null
        value=${value#"$kept"}
        # Names of files and sockets are others' choice, and bash puts them into the line as they are.
        [[ $value == *[^[:alnum:]@%+=:,./_-]* ]] && printf -v value %q "$value"
        COMPREPLY+=("$value")
    done < <(command memif completions bash --answer "$at" -- "${words[@]}" 2>/dev/null)
}

complete -F _memif memif
