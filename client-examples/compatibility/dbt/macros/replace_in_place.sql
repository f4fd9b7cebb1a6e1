{# dbt makes a table or view under another name and renames it. A table that views read is not renamed here, and what stands on a
   table (grants, policies, tags) stays with the table and not with its name. So these replace it in its place. #}

{% materialization table, adapter='qod' %}
  {{ return(replaced_in_place(this.incorporate(type='table'))) }}
{% endmaterialization %}

{% materialization view, adapter='qod' %}
  {{ return(replaced_in_place(this.incorporate(type='view'))) }}
{% endmaterialization %}

{% macro replaced_in_place(target) %}
  {% set existing = load_cached_relation(target) %}
  {{ run_hooks(pre_hooks) }}
  {% if existing is not none and existing.type != target.type %}
    {{ drop_relation_if_exists(existing) }}
  {% endif %}
  {% call statement('main') %}
    {% if target.type == 'table' %}
      {{ create_table_as(False, target, sql) }}
    {% else %}
      {{ create_view_as(target, sql) }}
    {% endif %}
  {% endcall %}
  {{ run_hooks(post_hooks) }}
  {{ return({'relations': [target]}) }}
{% endmacro %}
